"""The rows of normalisation."""

from __future__ import annotations

import functools
from typing import Any

import pax
from tests.contracts.case import Case
from tests.contracts.draws import arguments, normal
from tests.contracts.rows import PRODUCTS, WHOLE_BATCH, row

HALF = pax.initializers.constant(0.5)
AVERAGES = "ema_mean.averages ema_mean.debias ema_var.averages ema_var.debias"


def batch_norms(n: int) -> list[Case]:
    """Returns the rows of the batch norm over `n` axes."""
    norm = functools.partial(row, f"BatchNorm{n}D", changes=True, without=WHOLE_BATCH)
    eval_norm = functools.partial(row, f"BatchNorm{n}D", evaluate=True)
    space, both = (3, 2)[:n], "scale offset"
    first = {"data_format": ("NCW", "NCHW")[n - 1]}
    bare = {"create_scale": False, "create_offset": False, "eps": 1e-3, "name": "norm"}
    return [
        norm("", (4,), normal(*space, 4), both, AVERAGES),
        norm("channels first", (4,), normal(4, *space), both, AVERAGES, **first),
        norm("bare", (4,), normal(*space, 4), "", AVERAGES, decay_rate=0.5, **bare),
        eval_norm("eval", (4,), normal(*space, 4), both, AVERAGES),
        eval_norm("eval, channels first", (4,), normal(4, *space), both, AVERAGES, **first),
    ]


layer_norm = functools.partial(row, "LayerNorm")
group_norm = functools.partial(row, "GroupNorm")
OWN: dict[str, Any] = {"eps": 1e-3, "scale_init": HALF, "offset_init": HALF, "name": "norm"}
KEYED = {"free construction": "the key is split for the initializers"}
BARE: dict[str, Any] = {"create_scale": False, "create_offset": False}
CONDITION = arguments(normal(2, 4), normal(2, 4), normal(2, 4))

NORMS = [
    *batch_norms(1),
    *batch_norms(2),
    layer_norm("", (4, -1, True, True), normal(2, 4), "scale offset"),
    layer_norm("bare", (4, -1, False, False), normal(2, 4)),
    layer_norm(
        "two axes", (4, (1, 2), True, True), normal(2, 4), "scale offset", **OWN, without=KEYED
    ),
    layer_norm("scale and offset given", (4, -1, False, False), CONDITION, without=PRODUCTS),
    group_norm("", (2, 4), normal(3, 4), "scale offset"),
    group_norm("channels first", (2, 4), normal(4, 3), "scale offset", data_format="NC..."),
    group_norm(
        "axis", (2, 4, slice(2, None)), normal(2, 3, 4), "scale offset", **OWN, without=KEYED
    ),
    group_norm("scale and offset given", (2, 4), CONDITION, **BARE, without=PRODUCTS),
]
