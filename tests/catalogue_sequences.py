"""The rows of the layers over sequences."""

from __future__ import annotations

import pax
from tests.contracts.case import Case
from tests.contracts.draws import arguments, normal, packed

WEIGHTS = {
    "huge": "its products are beyond float16",
    "free construction": "weights are drawn",
}
LAYERS = ("cell.xh_zr_fc", "cell.xh_h_fc")
GATES = " ".join(f"{layer}.{array}" for layer in LAYERS for array in ("weight", "bias"))
SEQUENCE_AND_STATE = arguments(normal(5, 3), packed(pax.GRUState, normal(4)))


SEQUENCES = [
    Case(
        "RNN",
        "",
        lambda key: pax.RNN(pax.GRU(3, 4, rng_key=key), name="reader"),
        SEQUENCE_AND_STATE,
        GATES,
        without=WEIGHTS,
    ),
]
