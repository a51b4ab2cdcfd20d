"""The rows of dense layers and embeddings."""

from __future__ import annotations

import functools

import pax
from tests.contracts.draws import integers, normal, unbatched
from tests.contracts.rows import INTEGERS, NO_BATCH, WEIGHTS, row

INITS = {"w_init": pax.initializers.normal(0.3), "b_init": pax.initializers.uniform(0.3)}

linear = functools.partial(row, "Linear", without=WEIGHTS)
embed = functools.partial(row, "Embed", without=WEIGHTS | INTEGERS)

DENSE = [
    linear("", (3, 4), normal(3), "weight bias"),
    linear("time axis", (3, 4), normal(2, 3), "weight bias", name="fc"),
    linear("no bias", (3, 4), normal(3), "weight", with_bias=False),
    linear("own initializers", (3, 4), normal(3), "weight bias", **INITS),
    linear("one vector", (3, 4), unbatched(3), "weight bias", without=WEIGHTS | NO_BATCH),
    embed("", (5, 3), integers(5, 2), "weight"),
    embed("own initializer", (5, 3, INITS["w_init"]), integers(5), "weight", name="tokens"),
]
