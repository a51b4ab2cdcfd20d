"""The rows of the convolutions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tests.catalogue_dense import INITS
from tests.contracts.case import Case
from tests.contracts.draws import normal
from tests.contracts.rows import WEIGHTS, row

BOTH = "weight bias"
SPACE, KERNEL = (5, 4, 3, 3), (3, 2, 2, 1)
BARE: dict[str, Any] = {"padding": "VALID", "with_bias": False}


def mask(n: int) -> np.ndarray:
    """Returns a mask that hides the last place of a kernel over `n` axes."""
    hidden = np.ones((*KERNEL[:n], 1, 1), bool)
    hidden[(-1,) * n] = False
    return hidden


def layers(name: str, n: int, first: str, positional: tuple[int, ...] = ()) -> list[Case]:
    """Returns the rows of the convolution over `n` axes; beyond one, most are slow."""
    conv = functools.partial(row, name, without=WEIGHTS)
    space, kernel, again = SPACE[:n], KERNEL[:n], n > 1
    features = (*positional, 3, 2, kernel)
    pairs: dict[str, Any] = {"padding": [(1, 0), (2, 1), (0, 1), (0, 0)][:n], "stride": 2}
    groups: dict[str, Any] = {"feature_group_count": 2, "name": "conv"}
    grouped = (*positional, 4, 2, kernel)
    masked: dict[str, Any] = {"mask": mask(n), "padding_mode": "replicate"}
    return [
        conv("", features, normal(*space, 3), BOTH, slow=n > 2),
        conv(
            "VALID, stride, no bias",
            features,
            normal(*space, 3),
            "weight",
            stride=2,
            **BARE,
            slow=again,
        ),
        conv(
            "channels first, rate",
            features,
            normal(3, *space),
            BOTH,
            rate=2,
            data_format=first,
            slow=again,
        ),
        conv(
            "groups, pairs",
            grouped,
            normal(*space, 4),
            BOTH,
            **groups,
            **pairs,
            **INITS,
            slow=again,
        ),
        conv("mask, replicate", features, normal(*space, 3), BOTH, "mask", **masked, slow=again),
    ]


def transposed(name: str, n: int, first: str, positional: tuple[int, ...] = ()) -> list[Case]:
    """Returns the rows of the transposed convolution over `n` axes; beyond one, all are slow."""
    conv = functools.partial(row, name, without=WEIGHTS)
    space, kernel, again = (4, 3, 2, 2)[:n], KERNEL[:n], n > 1
    features = (*positional, 3, 2, kernel)
    pairs: dict[str, Any] = {"padding": [(2, 1), (2, 1), (0, 1), (0, 0)][:n], "stride": 2}
    groups: dict[str, Any] = {"feature_group_count": 2, "rate": 2, "output_padding": 1}
    grouped, four = (*positional, 4, 2, kernel), normal(*space, 4)
    bare: dict[str, Any] = {"name": "up", **BARE, "slow": again}
    other: dict[str, Any] = {"data_format": first, "slow": again}
    return [
        conv("", features, normal(*space, 3), BOTH, stride=2, slow=again),
        conv("VALID, no bias", features, normal(*space, 3), "weight", **bare),
        conv("channels first", features, normal(3, *space), BOTH, **other),
        conv("groups, pairs", grouped, four, BOTH, **groups, **pairs, **INITS, slow=again),
    ]


def depthwise(n: int, first: str) -> list[Case]:
    """Returns the rows of the depthwise and separable convolutions over `n` axes."""
    conv = functools.partial(row, f"DepthwiseConv{n}D", without=WEIGHTS)
    space, kernel = SPACE[:n], KERNEL[:n]
    more: dict[str, Any] = {"rate": 2, "stride": 2, "channel_multiplier": 2, "name": "each"}
    masked: dict[str, Any] = {"mask": mask(n), "padding_mode": "replicate", "data_format": first}
    return [
        conv("", (3, kernel), normal(*space, 3), BOTH, slow=n != 2),
        conv("VALID, no bias", (3, kernel), normal(*space, 3), "weight", **BARE, slow=True),
        conv("more outputs", (3, kernel), normal(*space, 3), BOTH, **more, **INITS, slow=True),
        conv("mask", (3, kernel), normal(3, *space), BOTH, "mask", **masked, slow=True),
    ]


def separable(n: int, first: str) -> list[Case]:
    """Returns the rows of the separable convolution over `n` axes."""
    conv = functools.partial(row, f"SeparableConv{n}D", without=WEIGHTS)
    space, kernel, one = SPACE[:n], KERNEL[:n], "depthwise.weight pointwise.weight"
    more: dict[str, Any] = {"rate": 2, "stride": 2, "channel_multiplier": 2, "name": "apart"}
    other: dict[str, Any] = {"padding_mode": "replicate", "data_format": first}
    both = f"{one} pointwise.bias"
    return [
        conv("", (3, 2, kernel), normal(*space, 3), both, slow=n != 2),
        conv("VALID, no bias", (3, 2, kernel), normal(*space, 3), one, **BARE, slow=True),
        conv("options", (3, 2, kernel), normal(3, *space), both, **more, **other, slow=True),
        conv("own initializers", (3, 2, kernel), normal(*space, 3), both, **INITS, slow=True),
    ]


causal = functools.partial(row, "Conv1D", "causal, stride", (3, 2, 3), without=WEIGHTS, slow=True)

CONVOLUTIONS = [
    *layers("Conv1D", 1, "NCW"),
    causal(normal(5, 3), BOTH, padding="CAUSAL", stride=2),
    *layers("Conv2D", 2, "NCHW"),
    *layers("Conv3D", 3, "NCDHW"),
    *layers("ConvND", 4, "NC...", (4,)),
    *depthwise(1, "NCW"),
    *depthwise(2, "NCHW"),
    *depthwise(3, "NCDHW"),
    *separable(1, "NCW"),
    *separable(2, "NCHW"),
    *transposed("Conv1DTranspose", 1, "NCW"),
    *transposed("Conv2DTranspose", 2, "NCHW"),
    *transposed("Conv3DTranspose", 3, "NCDHW"),
    *transposed("ConvNDTranspose", 4, "NC...", (4,)),
]
