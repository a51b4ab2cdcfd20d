"""What the cells whose state decays number by number have in common."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

import pax.functional as F
from pax._core import ParameterModule, accumulation_dtype, arguments
from pax.nn import given


class LinearCell(ParameterModule):
    """A cell whose state is h' = decay h + added, with both from the input alone.

    `__call__` does one step; `over_time`, which `RNN` calls, does all steps at once. A subclass
    sets `input_dim` and `state_size`, and has `_terms` and perhaps `_output`.
    """

    input_dim: int
    state_size: int

    def initial_state(self, batch_size: int) -> Float[Array, "B S"]:
        """Returns a state of zeros.

        Args:
            batch_size: B.
        Returns:
            Shape [B, S], dtype of the weights.
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0.
        """
        name = f"{type(self).__name__}.initial_state"
        arguments.integer(name, "batch_size", batch_size, at_least=0)
        return jnp.zeros((batch_size, self.state_size), self._state_dtype())

    def __call__(
        self, state: Float[ArrayLike, "*batch S"], x: Float[ArrayLike, "*batch input_dim"]
    ) -> tuple[Float[Array, "*batch S"], Float[Array, "*batch _"]]:
        """Does one step.

        Args:
            state: the state before, shape [..., S].
            x: input, shape [..., input_dim].
        Returns:
            The state after, in the dtype of the state before, and the output.
        Raises:
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.step_input(self, x, self.input_dim)
        state = given.plain_state(self, state, x, (self.state_size,))
        decay, added = self._terms(x)
        after = self._real(decay * self._numbers(state) + added).astype(state.dtype)
        return after, self._output(after, x)

    def over_time(
        self,
        state: Float[ArrayLike, "B S"],
        x: Float[ArrayLike, "T B input_dim"],
        inside: Bool[Array, "T B"] | None = None,
        fresh: Bool[Array, "T B"] | None = None,
    ) -> tuple[Float[Array, "B S"], Float[Array, "T B _"]]:
        """Does all steps at once: what `__call__` gives step by step, to rounding.

        Args:
            state: the state before the first step, shape [B, S].
            x: input, shape [T, B, input_dim].
            inside: False at steps that leave the state as it is; by default nowhere.
            fresh: True at steps before which the state becomes zero; by default nowhere.
        Returns:
            The state after the last step, and the outputs of all steps.
        Raises:
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.step_input(self, x, self.input_dim)
        state = given.plain_state(self, state, x[0] if len(x) else x.sum(0), (self.state_size,))
        decay, added = self._terms(x)
        decay, added = kept_or_fresh(jnp.broadcast_to(decay, added.shape), added, inside, fresh)
        numbers = F.linear_recurrence(decay, added, self._numbers(state))
        states = self._real(numbers).astype(state.dtype)
        return states[-1] if len(states) else state, self._output(states, x)

    def _state_dtype(self) -> jnp.dtype:
        raise NotImplementedError

    def _terms(self, x: Array) -> tuple[Array, Array]:
        """Returns decay and added, of the shape of the state, in float32 at least."""
        raise NotImplementedError

    def _output(self, state: Array, x: Array) -> Array:
        """Returns the output of a step, by default the state."""
        return state

    def _numbers(self, state: Array) -> Array:
        """Returns the numbers that a state stands for, in the dtype of `_terms`."""
        return state.astype(accumulation_dtype(state))

    def _real(self, numbers: Array) -> Array:
        """Returns the state that stands for numbers."""
        return numbers


def kept_or_fresh(
    decay: Array, added: Array, inside: Array | None, fresh: Array | None
) -> tuple[Array, Array]:
    """Returns decay and added, [T, B, ...]: 1 and 0 where a step is not inside, 0 where fresh."""

    def along(mark: Array, array: Array) -> Array:
        return mark.reshape(*mark.shape, *(1,) * (array.ndim - 2))

    if fresh is not None:
        decay = jnp.where(along(fresh, decay), 0, decay)
    if inside is not None:
        decay = jnp.where(along(inside, decay), decay, 1)
        added = jnp.where(along(inside, added), added, 0)
    return decay, added
