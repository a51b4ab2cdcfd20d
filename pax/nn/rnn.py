"""A recurrent layer over sequences."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import ArrayLike, Bool, Int, Shaped

from pax._core import ArgumentError, Module, ShapeError, arguments, assign_changed, may_change
from pax.nn import given, ragged
from pax.nn.over_time import over_time


class RNN(Module):
    """A recurrent layer: a cell over all steps of a sequence.

    state, y_t = cell(state, x_t) for t = 0, ..., T - 1.

    A cell is any module with two methods: `cell.initial_state(batch_size)` returns the state
    before the first step, a tree of arrays; `cell(state, x)` does one step and returns the state
    after it, of the same shapes and dtypes, and an output. Of the cells of this library, the
    products with the input do not depend on the state, and are done for many steps at once.

    A cell of your own gets that too if its class says in `input_layers` by name which of its
    attributes are `Linear` layers over [x, ...], x first, and in `state_layers` which others are
    `Linear` layers. Each must be called once in a step, and the step must not use x otherwise: it
    then finds numbers that are not any (NaN) there.

    Args:
        cell: the cell.
        reverse: whether it reads from the last step to the first. Outputs stay in the order of
            the inputs; the state is that after the first step.
        time_major: whether time comes before batch, in inputs, outputs and resets.
        name: name of the module.
    Raises:
        ArgumentError: if cell is no such module, or an option is not True or False.
    Example:
        >>> rnn = pax.RNN(pax.LSTM(3, 4))
        >>> state, y = rnn(jnp.ones((2, 5, 3)))
        >>> y.shape, state.hidden.shape
        ((2, 5, 4), (2, 4))
    """

    cell: Any

    def __init__(
        self,
        cell: Any,
        *,
        reverse: bool = False,
        time_major: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        check_cell("RNN", cell)
        arguments.flags("RNN", reverse=reverse, time_major=time_major)
        self.reverse = reverse
        self.time_major = time_major
        self.cell = cell

    def initial_state(self, batch_size: int) -> Any:
        """Returns the state before the first step, that of the cell.

        Args:
            batch_size: B.
        Returns:
            What `initial_state` of the cell returns.
        """
        return self.cell.initial_state(batch_size)

    def __call__(
        self,
        x: Shaped[ArrayLike, "_ _ *rest"],
        state: Any = None,
        *,
        lengths: Int[ArrayLike, "B"] | None = None,
        resets: Bool[ArrayLike, "_ _"] | None = None,
    ) -> tuple[Any, Any]:
        """Runs the cell over a sequence.

        Args:
            x: input, shape [B, T, ...]; one step of it, [B, ...], is what the cell takes. With
                time_major, [T, B, ...].
            state: the state before the first step; by default `initial_state(B)`.
            lengths: how many steps of each row there are, 1 to T; what comes after them is
                padding, which the cell does not see. By default all.
            resets: True where a new episode begins: forwards, the state before that step is the
                cell's initial state. Backwards, so is the state before the last step of an
                episode that another one follows. Shape [B, T], with time_major [T, B].
        Returns:
            The state after the last step, with lengths that of each row, and the outputs of all
            steps, shape [B, T, ...], with time_major [T, B, ...]; zeros in the padding. Of no
            steps, T = 0, the state is that before. Where a compiled program finds lengths that are
            not from 1 to T, all floating numbers of their rows are NaN.
        Raises:
            ArgumentError: if lengths are not from 1 to T, where their values are known.
            DtypeError: if x is not an array, or lengths are not integers, or resets not booleans.
            ShapeError: if x has no axes of batch, time and features, lengths or resets do not fit
                it, or a step changes the shape or dtype of the state; and what the cell raises.
            PurityError: if the cell changes itself (its random keys) outside `pax.pure`.
        """
        x = given.array(self, x)
        if x.ndim < 3:
            first = "T, B" if self.time_major else "B, T"
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}; expected ({first}, ...), a batch of "
                "sequences.",
                "add the batch axis with "
                f"x[{':, ' if self.time_major else ''}None]; for one step call the cell itself.",
            )
        resets = ragged.checked_resets(self, resets, x.shape[:2])
        if not self.time_major:
            x = x.swapaxes(0, 1)
            resets = None if resets is None else resets.swapaxes(0, 1)
        steps, batch = x.shape[:2]
        lengths = ragged.checked_lengths(self, lengths, batch, steps)
        if state is None:
            state = self.initial_state(batch)
        if lengths is not None or resets is not None:
            ragged.check_rows(self, state, batch)
        state, ys, changed = over_time(
            self.cell, state, x, lengths, resets, changes=may_change(self), reverse=self.reverse
        )
        assign_changed(self.cell, changed)
        return state, ys if self.time_major else jax.tree.map(lambda y: y.swapaxes(0, 1), ys)

    def __repr__(self) -> str:
        return self._repr({"reverse": self.reverse or None, "time_major": self.time_major or None})


def check_cell(layer: str, cell: Any) -> None:
    """Raises unless this is a cell."""
    missing = [x for x in ("initial_state", "__call__") if not hasattr(cell, x)]
    if not isinstance(cell, Module) or missing:
        found = repr(cell) if isinstance(cell, Module) else f"a {type(cell).__name__}"
        call = "pax.RNN(" if layer == "RNN" else "pax.Bidirectional(pax.LSTM(64, 128), "
        raise ArgumentError(
            f"{layer} got {found}; expected a cell, a module with the methods initial_state and "
            "__call__.",
            f"pass a cell: {call}pax.LSTM(64, 128)).",
        )
