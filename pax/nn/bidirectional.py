"""A recurrent layer that reads in both directions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, Bool, Int, Shaped

from pax._core import CallError, Module
from pax.nn.rnn import RNN, check_cell


class Bidirectional(Module):
    """Two recurrent layers over one sequence: a cell from the first step on, one from the last.

    y_t = [a_t, b_t], with a the outputs of `RNN(forward)` and b those of
    `RNN(backward, reverse=True)`.

    Args:
        forward: the cell that reads forwards.
        backward: the cell that reads backwards; another one, its weights are its own.
        time_major: whether time comes before batch, in inputs, outputs and resets.
        name: name of the module.
    Raises:
        ArgumentError: if one of them is no cell, or time_major is not True or False.
    Example:
        >>> both = pax.Bidirectional(pax.GRU(3, 4), pax.GRU(3, 4))
        >>> (forward, backward), y = both(jnp.ones((2, 5, 3)))
        >>> y.shape, backward.hidden.shape
        ((2, 5, 8), (2, 4))
    Source: Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997.
    """

    forward: RNN
    backward: RNN

    def __init__(
        self,
        forward: Any,
        backward: Any,
        *,
        time_major: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        for cell in (forward, backward):
            check_cell("Bidirectional", cell)
        self.forward = RNN(forward, time_major=time_major)
        self.backward = RNN(backward, reverse=True, time_major=time_major)

    def initial_state(self, batch_size: int) -> tuple[Any, Any]:
        """Returns the states before reading, those of both cells.

        Args:
            batch_size: B.
        Returns:
            What `initial_state` of each cell returns.
        """
        return self.forward.initial_state(batch_size), self.backward.initial_state(batch_size)

    def __call__(
        self,
        x: Shaped[ArrayLike, "_ _ *rest"],
        state: Any = None,
        *,
        lengths: Int[ArrayLike, "B"] | None = None,
        resets: Bool[ArrayLike, "_ _"] | None = None,
    ) -> tuple[tuple[Any, Any], Any]:
        """Runs both cells over a sequence.

        Args:
            x: input, shape [B, T, ...], with time_major [T, B, ...].
            state: states before reading, a pair; by default `initial_state(B)`.
            lengths: how many steps of each row there are; see `RNN`.
            resets: where new episodes begin; no cell reads across. See `RNN`.
        Returns:
            The states after reading, forwards that of the last step, backwards that of the first,
            and the outputs of both, joined along the last axis.
        Raises:
            CallError: if state is no pair.
            PaxError: as `RNN`.
        """
        if state is None:
            state = (None, None)
        if type(state) is not tuple or len(state) != 2:
            raise CallError(
                f"{self!r} got a state of type {type(state).__name__}; expected a pair.",
                "give (forward_state, backward_state), as this layer returns and initial_state.",
            )
        marks = {"lengths": lengths, "resets": resets}
        first, a = self.forward(x, state[0], **marks)
        last, b = self.backward(x, state[1], **marks)
        return (first, last), jax.tree.map(lambda *ys: jnp.concatenate(ys, axis=-1), a, b)

    def __repr__(self) -> str:
        return self._repr({"time_major": self.forward.time_major or None})
