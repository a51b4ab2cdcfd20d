"""Every layer called with the wrong number of arguments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import pax
from tests.nn.bad import Bad

LAYERS: list[tuple[Callable[[], pax.Module], tuple[str, ...], tuple[str, ...]]] = [
    (lambda: pax.Linear(2, 3), ("x",), ()),
    (lambda: pax.Embed(2, 3), ("x",), ()),
    (lambda: pax.Dropout(0.5), ("x",), ()),
    (lambda: pax.Identity(), ("x",), ()),
    (lambda: pax.Sequential(), ("x",), ()),
    (lambda: pax.Conv1D(2, 3, 1), ("x",), ()),
    (lambda: pax.Conv2D(2, 3, 1), ("x",), ()),
    (lambda: pax.Conv1DTranspose(2, 3, 1), ("x",), ()),
    (lambda: pax.Conv2DTranspose(2, 3, 1), ("x",), ()),
    (lambda: pax.BatchNorm1D(2), ("x",), ()),
    (lambda: pax.BatchNorm2D(2), ("x",), ()),
    (lambda: pax.LayerNorm(2, -1, True, True), ("inputs",), ("scale=None", "offset=None")),
    (lambda: pax.GroupNorm(1, 2), ("x",), ("scale=None", "offset=None")),
    (lambda: pax.VanillaRNN(2, 3), ("state", "x"), ()),
    (lambda: pax.LSTM(2, 3), ("state", "x"), ()),
    (lambda: pax.GRU(2, 3), ("state", "x"), ()),
    (
        lambda: pax.MultiHeadAttention(1, 2, 1.0),
        ("query", "key", "value"),
        (
            *("mask=None", "is_causal=False", "positions=None", "key_positions=None"),
            *("segment_ids=None", "key_segment_ids=None", "bias=None", "position=None"),
        ),
    ),
    (lambda: pax.EMA(1.0, 0.9), ("xs",), ()),
]
IDS = [type(make()).__name__ for make, *_ in LAYERS]
X = np.zeros((1, 2), np.float32)


@pytest.mark.parametrize("layer", LAYERS, ids=IDS)
@pytest.mark.parametrize("too_many", [True, False], ids=["too many", "too few"])
def test_the_wrong_number_of_arguments(layer: tuple, too_many: bool, unchecked: None) -> None:
    make, required, optional = layer
    count = len(required) + len(optional) + 1 if too_many else len(required) - 1
    problem = (
        "too many positional arguments"
        if too_many
        else f"missing a required argument: '{required[-1]}'"
    )
    Bad(
        make,
        pax.CallError,
        f"{make()!r} was called with arguments that it does not take: {problem}.",
        f"call it as module({', '.join([*required, *optional])}).",
        (X,) * count,
    ).check()
