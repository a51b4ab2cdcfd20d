"""The batch that every contender trains on: normal numbers, the same each time."""

from __future__ import annotations

import numpy as np

from benchmarks.sizes import Sizes


def batch(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Returns input and target, in float32 and channels last."""
    draw = np.random.default_rng(0)
    x, target = (draw.standard_normal(shape, np.float32) for shape in sizes.shapes())
    return x, target
