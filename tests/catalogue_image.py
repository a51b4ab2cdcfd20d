"""The rows of pooling and of what changes the size of images."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from tests.contracts.draws import Draw, arguments, normal
from tests.contracts.rows import PRODUCTS, array_function, row

GROWS = {"huge": "what comes out is larger than what goes in"}


def places(high: int, count: int, channels: int) -> Draw:
    """Draws places in [0, high), none twice in a channel, shape [B, count, channels]."""

    def draw(rng: np.random.Generator, dtype: Any, batch: int) -> tuple[Any, ...]:
        every = np.broadcast_to(np.arange(high, dtype=np.int32)[:, None], (batch, high, channels))
        return (jax.device_put(rng.permuted(every, axis=1)[:, :count]),)

    return draw


#: Options of the rows that add a data format.
FIRST: dict[str, Any] = {"data_format": "NC...", "name": "layer", "slow": True}
SLID: dict[str, Any] = {"padding": [(0, 1), (1, 0)], "ceil_mode": True, **FIRST}
ALL: dict[str, Any] = {"align_corners": True, **FIRST}
APART: dict[str, Any] = {"padding": "SAME", "rate": 2, **FIRST}
PATCHES = normal(8, 10)
IMAGE, PLANES, ROW = normal(4, 3, 2), normal(2, 5, 4), normal(4, 2)

#: Places of which none is twice in a channel, and a value for each.
MAXIMA = arguments(normal(3, 2), places(8, 3, 2))
SAMPLED = arguments(normal(3, 4, 2), normal(5, 2))
BENDS = {"smooth": "the slope jumps where a place comes upon an entry"}
BENT: dict[str, Any] = {"padding_mode": "border", "align_corners": True, "slow": True}

IMAGE_LAYERS = [
    row("AvgPool", "", (2,), IMAGE),
    row("AvgPool", "all options", (2, (2, 1)), PLANES, count_include_pad=True, **SLID),
    row("LpPool", "", (2, 2), IMAGE, without=GROWS),
    row("LpPool", "all options", (3.5, 2, (2, 1)), PLANES, without=GROWS, **SLID),
    row("MaxPool", "", (2,), IMAGE),
    row("MaxPool", "all options", (2, (2, 1)), PLANES, rate=2, **SLID),
    row("MinPool", "", (2,), IMAGE, slow=True),
    row("MinPool", "all options", (2, (2, 1)), PLANES, rate=2, **SLID),
    row("BlurPool", "", (3, 2), IMAGE),
    row("BlurPool", "channels first", ((2, 3), (1, 2)), PLANES, **FIRST),
    row("AdaptiveAvgPool", "", (2,), IMAGE),
    row("AdaptiveAvgPool", "channels first", ((3, None),), PLANES, **FIRST),
    row("AdaptiveMaxPool", "", (2,), IMAGE),
    row("AdaptiveMaxPool", "channels first", ((3, None),), PLANES, **FIRST),
    row("GlobalAvgPool", "", (), IMAGE, slow=True),
    row("GlobalAvgPool", "channels first", (), PLANES, **FIRST),
    row("GlobalMaxPool", "", (), IMAGE, slow=True),
    row("GlobalMaxPool", "channels first", (), PLANES, **FIRST),
    row("PixelShuffle", "", (2,), ROW),
    row("PixelShuffle", "channels first", ((3, 1),), normal(6, 2, 2), **FIRST),
    row("PixelUnshuffle", "", (2,), ROW, slow=True),
    row("PixelUnshuffle", "channels first", ((5, 2),), PLANES, **FIRST),
    row("Unfold", "", (2,), ROW),
    row("Unfold", "all options", (2, (1, 2)), PLANES, **APART),
    row("Fold", "", ((3,), 2), normal(2, 4), without=GROWS),
    row("Fold", "all options", ((5, 4), 2, (1, 2)), PATCHES, without=GROWS, **APART),
    row("Upsample", "", (2,), ROW),
    row("Upsample", "linear", (1.5, "linear"), ROW, slow=True),
    row("Upsample", "cubic, all options", ((2, 0.5), "cubic"), PLANES, without=GROWS, **ALL),
    row("Upsample", "antialias", (0.5, "cubic"), ROW, antialias=True, slow=True),
]

IMAGE_FUNCTIONS = [
    array_function("avg_pool", "SAME", normal(4, 3, 2), 2, 2, "SAME"),
    array_function("avg_pool", "VALID, no channels", normal(4, 3), 2, 1, "VALID", None, slow=True),
    array_function("max_pool", "SAME", normal(4, 3, 2), 2, 2, "SAME"),
    array_function(
        "max_pool", "VALID, channels first", normal(2, 4, 3), 2, 1, "VALID", 1, slow=True
    ),
    array_function("functional.lp_pool", "", ROW, 2, 2, 2, "VALID", without=GROWS, slow=True),
    array_function("functional.min_pool", "", ROW, 2, 1, "VALID", slow=True),
    array_function("functional.adaptive_avg_pool", "", normal(5, 2), 3, slow=True),
    array_function("functional.adaptive_max_pool", "", normal(5, 2), 3, slow=True),
    array_function("functional.blur_pool", "", ROW, 3, 2, slow=True),
    array_function("functional.max_pool_with_indices", "", IMAGE, 2, 2, "VALID"),
    array_function("functional.max_unpool", "", MAXIMA, 8),
    array_function("functional.unfold", "", ROW, 2, slow=True),
    array_function("functional.fold", "", normal(2, 4), (3,), 2, without=GROWS, slow=True),
    array_function("functional.affine_grid", "", normal(2, 3), (2, 3), without=PRODUCTS, slow=True),
    array_function("functional.grid_sample", "", SAMPLED, without=BENDS),
    array_function("functional.grid_sample", "cubic", SAMPLED, "cubic", **BENT),
    array_function("functional.pixel_shuffle", "", ROW, 2, slow=True),
    array_function("functional.pixel_unshuffle", "", ROW, 2, slow=True),
    array_function("functional.resize", "", ROW, 7, "linear"),
]
