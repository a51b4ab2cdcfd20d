"""The rows of pooling and of what changes the size of images."""

from __future__ import annotations

from typing import Any

from tests.contracts.draws import normal
from tests.contracts.rows import array_function, row

GROWS = {"huge": "what comes out is larger than what goes in"}

#: Options of the rows that add a data format.
FIRST: dict[str, Any] = {"data_format": "NC...", "name": "layer", "slow": True}
SLID: dict[str, Any] = {"padding": [(0, 1), (1, 0)], "ceil_mode": True, **FIRST}
ALL: dict[str, Any] = {"align_corners": True, **FIRST}
IMAGE, PLANES, ROW = normal(4, 3, 2), normal(2, 5, 4), normal(4, 2)

IMAGE_LAYERS = [
    row("AvgPool", "", (2,), IMAGE),
    row("AvgPool", "all options", (2, (2, 1)), PLANES, count_include_pad=True, **SLID),
    row("LpPool", "", (2, 2), IMAGE, without=GROWS),
    row("LpPool", "all options", (3.5, 2, (2, 1)), PLANES, without=GROWS, **SLID),
    row("MaxPool", "", (2,), IMAGE),
    row("MaxPool", "all options", (2, (2, 1)), PLANES, rate=2, **SLID),
    row("MinPool", "", (2,), IMAGE),
    row("MinPool", "all options", (2, (2, 1)), PLANES, rate=2, **SLID),
    row("AdaptiveAvgPool", "", (2,), IMAGE),
    row("AdaptiveAvgPool", "channels first", ((3, None),), PLANES, **FIRST),
    row("AdaptiveMaxPool", "", (2,), IMAGE),
    row("AdaptiveMaxPool", "channels first", ((3, None),), PLANES, **FIRST),
    row("GlobalAvgPool", "", (), IMAGE),
    row("GlobalAvgPool", "channels first", (), PLANES, **FIRST),
    row("GlobalMaxPool", "", (), IMAGE),
    row("GlobalMaxPool", "channels first", (), PLANES, **FIRST),
    row("PixelShuffle", "", (2,), ROW),
    row("PixelShuffle", "channels first", ((3, 1),), normal(6, 2, 2), **FIRST),
    row("PixelUnshuffle", "", (2,), ROW),
    row("PixelUnshuffle", "channels first", ((5, 2),), PLANES, **FIRST),
    row("Upsample", "", (2,), ROW),
    row("Upsample", "linear", (1.5, "linear"), ROW, slow=True),
    row("Upsample", "cubic, all options", ((2, 0.5), "cubic"), PLANES, without=GROWS, **ALL),
    row("Upsample", "antialias", (0.5, "cubic"), ROW, antialias=True, slow=True),
]

IMAGE_FUNCTIONS = [
    array_function("avg_pool", "SAME", normal(4, 3, 2), 2, 2, "SAME"),
    array_function("avg_pool", "VALID, no channels", normal(4, 3), 2, 1, "VALID", None),
    array_function("max_pool", "SAME", normal(4, 3, 2), 2, 2, "SAME"),
    array_function("max_pool", "VALID, channels first", normal(2, 4, 3), 2, 1, "VALID", 1),
    array_function("functional.lp_pool", "", ROW, 2, 2, 2, "VALID", without=GROWS, slow=True),
    array_function("functional.min_pool", "", ROW, 2, 1, "VALID", slow=True),
    array_function("functional.adaptive_avg_pool", "", normal(5, 2), 3, slow=True),
    array_function("functional.adaptive_max_pool", "", normal(5, 2), 3, slow=True),
    array_function("functional.pixel_shuffle", "", ROW, 2, slow=True),
    array_function("functional.pixel_unshuffle", "", ROW, 2, slow=True),
    array_function("functional.resize", "", ROW, 7, "linear"),
]
