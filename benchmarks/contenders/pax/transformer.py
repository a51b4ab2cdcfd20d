"""The Transformer, which is one of pax's ready networks."""

from __future__ import annotations

from jax import Array

import pax
from benchmarks import sizes as of


def transformer(sizes: of.Transformer, rng_key: Array | None = None) -> pax.nets.Transformer:
    return pax.nets.Transformer(
        sizes.width, sizes.heads, sizes.layers, dropout_rate=0.0, rng_key=rng_key
    )
