"""A recurrent layer over sequences."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import ArrayLike, Shaped

from pax._core import ArgumentError, Module, ShapeError, assign_changed, may_change
from pax.nn import given
from pax.nn.over_time import over_time


class RNN(Module):
    """A recurrent layer: a cell over all steps of a sequence.

    state, y_t = cell(state, x_t) for t = 0, ..., T - 1.

    A cell is any module with two methods: `cell.initial_state(batch_size)` returns the state
    before the first step, a tree of arrays; `cell(state, x)` does one step and returns the state
    after it, of the same shapes and dtypes, and an output. Of `LSTM`, `GRU` and `VanillaRNN`, the
    products with the input do not depend on the state, and are done for many steps at once.

    A cell of your own gets that too if its class says in `input_layers` by name which of its
    attributes are `Linear` layers over [x, ...], x first. Each must be called once in a step, and
    the step must not use x otherwise: it then finds numbers that are not any (NaN) there.

    Args:
        cell: the cell.
        name: name of the module.
    Raises:
        ArgumentError: if cell is no such module.
    Example:
        >>> rnn = pax.RNN(pax.LSTM(3, 4))
        >>> state, y = rnn(jnp.ones((2, 5, 3)))
        >>> y.shape, state.hidden.shape
        ((2, 5, 4), (2, 4))
    """

    cell: Any

    def __init__(self, cell: Any, *, name: str | None = None) -> None:
        super().__init__(name=name)
        missing = [x for x in ("initial_state", "__call__") if not hasattr(cell, x)]
        if not isinstance(cell, Module) or missing:
            found = repr(cell) if isinstance(cell, Module) else f"a {type(cell).__name__}"
            raise ArgumentError(
                f"RNN got {found}; expected a cell, a module with the methods initial_state and "
                "__call__.",
                "pass a cell: pax.RNN(pax.LSTM(64, 128)).",
            )
        self.cell = cell

    def initial_state(self, batch_size: int) -> Any:
        """Returns the state before the first step, that of the cell.

        Args:
            batch_size: B.
        Returns:
            What `initial_state` of the cell returns.
        """
        return self.cell.initial_state(batch_size)

    def __call__(self, x: Shaped[ArrayLike, "B T *rest"], state: Any = None) -> tuple[Any, Any]:
        """Runs the cell over a sequence.

        Args:
            x: input, shape [B, T, ...]; one step of it, [B, ...], is what the cell takes.
            state: the state before the first step; by default `initial_state(B)`.
        Returns:
            The state after the last step, and the outputs of all steps, shape [B, T, ...]. Of no
            steps, T = 0, that is the state before.
        Raises:
            DtypeError: if x is not an array.
            ShapeError: if x has no axes of batch, time and features, or a step changes the shape
                or dtype of the state; and what the cell raises.
            PurityError: if the cell changes itself (its random keys) outside `pax.pure`.
        """
        x = given.array(self, x)
        if x.ndim < 3:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}; expected (B, T, ...), a batch of "
                "sequences.",
                "add the batch axis with x[None]; for one step call the cell itself.",
            )
        if state is None:
            state = self.initial_state(x.shape[0])
        state, ys, changed = over_time(self.cell, state, x.swapaxes(0, 1), changes=may_change(self))
        assign_changed(self.cell, changed)
        return state, jax.tree.map(lambda y: y.swapaxes(0, 1), ys)

    def __repr__(self) -> str:
        return self._repr()
