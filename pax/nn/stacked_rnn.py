"""Recurrent layers one above the other."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from jaxtyping import ArrayLike, Bool, Int, Shaped

from pax._core import ArgumentError, CallError, Module, arguments
from pax.nn.dropout import Dropout


class StackedRNN(Module):
    """Recurrent layers, each over the outputs of the one below, with dropout between them.

    Args:
        layers: layers that are called as `RNN` and `Bidirectional` are, from the input on.
        dropout_rate: probability that an element of what goes from one layer to the next becomes
            zero in training; with 0 there is no `dropout`, it is None.
        name: name of the module.
    Raises:
        ArgumentError: if a layer is another thing, or dropout_rate is not in [0, 1).
    Example:
        >>> reader = pax.StackedRNN([pax.RNN(pax.LSTM(3, 4)), pax.RNN(pax.LSTM(4, 4))])
        >>> states, y = reader(jnp.ones((2, 5, 3)))
        >>> y.shape, len(states)
        ((2, 5, 4), 2)
    """

    layers: tuple[Any, ...]
    dropout: Dropout | None

    def __init__(
        self, layers: Sequence[Any], dropout_rate: float = 0.0, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        given = layers if isinstance(layers, (list, tuple)) else [layers]
        wrong = [layer for layer in given if not _is_layer(layer)]
        if wrong or given is not layers or not layers:
            found = repr(wrong[0] if wrong else layers)
            raise ArgumentError(
                f"StackedRNN got {found}; expected a list of recurrent layers.",
                "pass layers, not cells: pax.StackedRNN([pax.RNN(pax.LSTM(64, 128))]).",
            )
        rate = arguments.rate("StackedRNN", "dropout_rate", dropout_rate, may_be_one=False)
        self.layers = tuple(layers)
        self.dropout = Dropout(rate) if rate else None

    def initial_state(self, batch_size: int) -> tuple[Any, ...]:
        """Returns the states before reading, those of all layers.

        Args:
            batch_size: B.
        Returns:
            What `initial_state` of each layer returns.
        """
        return tuple(layer.initial_state(batch_size) for layer in self.layers)

    def __call__(
        self,
        x: Shaped[ArrayLike, "_ _ *rest"],
        state: Any = None,
        *,
        lengths: Int[ArrayLike, "B"] | None = None,
        resets: Bool[ArrayLike, "_ _"] | None = None,
    ) -> tuple[tuple[Any, ...], Any]:
        """Runs the layers over a sequence.

        Args:
            x: input of the first layer, shape [B, T, ...], or as the layers take it.
            state: states before reading, one for each layer; by default `initial_state(B)`.
            lengths: how many steps of each row there are; see `RNN`.
            resets: where new episodes begin; see `RNN`.
        Returns:
            The states after reading, one for each layer, and the outputs of the last layer.
        Raises:
            CallError: if there are not as many states as layers.
            PurityError: in training mode with dropout, outside `pax.pure`.
            PaxError: as `RNN`.
        """
        before = (None,) * len(self.layers) if state is None else state
        if type(before) is not tuple or len(before) != len(self.layers):
            size = f" of {len(before)}" if type(before) is tuple else ""
            raise CallError(
                f"{self!r} got a state of type {type(before).__name__}{size}; expected a tuple "
                f"of {len(self.layers)}, one state for each layer.",
                "give what this layer returned, or its initial_state(batch_size).",
            )
        after = []
        for i, layer in enumerate(self.layers):
            if i and self.dropout is not None:
                x = self.dropout(x)
            layer_state, x = layer(x, before[i], lengths=lengths, resets=resets)
            after.append(layer_state)
        return tuple(after), x

    def __repr__(self) -> str:
        rate = None if self.dropout is None else self.dropout.dropout_rate
        return self._repr({"dropout_rate": rate})


def _is_layer(layer: Any) -> bool:
    """Returns whether this is a layer over sequences; a cell is called with a state and one x."""
    return (
        isinstance(layer, Module)
        and callable(layer)
        and hasattr(layer, "initial_state")
        and "lengths" in inspect.signature(layer).parameters
    )
