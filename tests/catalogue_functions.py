"""The rows of the catalogue that are functions: of arrays, and initializers."""

from __future__ import annotations

from typing import Any

import pax
from tests.catalogue_attention import ATTENTION_FUNCTIONS
from tests.catalogue_attention_layers import POSITION_FUNCTIONS
from tests.catalogue_dense import DENSE_FUNCTIONS
from tests.catalogue_image import IMAGE_FUNCTIONS
from tests.catalogue_linear_recurrence import LINEAR_FUNCTIONS
from tests.catalogue_losses import LOSSES
from tests.catalogue_normalization import NORM_FUNCTIONS
from tests.catalogue_regularization import RANDOM_FUNCTIONS
from tests.contracts.draws import arguments, integers, normal, unbatched
from tests.contracts.rows import PRODUCTS, SHARED_ARGUMENT, array_function

CONV: dict[str, Any] = {"padding": "SAME", "data_format": "NWC"}
KERNEL = arguments(normal(5, 3), unbatched(2, 3, 4), unbatched(4))
TRANSPOSED_KERNEL = arguments(normal(5, 3), unbatched(2, 4, 3), unbatched(4))
MATRIX = arguments(normal(3), unbatched(3, 4), unbatched(4))
TABLE = arguments(integers(5, 2), unbatched(5, 3))
GRU = arguments(normal(4), normal(4), normal(4))
SHARED_WEIGHT = SHARED_ARGUMENT | PRODUCTS

FUNCTIONS = [
    *IMAGE_FUNCTIONS,
    *RANDOM_FUNCTIONS,
    *DENSE_FUNCTIONS,
    array_function("functional.linear", "", MATRIX, without=SHARED_WEIGHT),
    array_function("functional.embed", "", TABLE, without=SHARED_ARGUMENT),
    array_function("functional.conv", "", KERNEL, **CONV, slow=True, without=SHARED_WEIGHT),
    array_function(
        "functional.conv_transpose",
        "",
        TRANSPOSED_KERNEL,
        **CONV,
        slow=True,
        without=SHARED_WEIGHT,
    ),
    *NORM_FUNCTIONS,
    *LOSSES,
    *ATTENTION_FUNCTIONS,
    *POSITION_FUNCTIONS,
    *LINEAR_FUNCTIONS,
    array_function("functional.vanilla_rnn_step", "", normal(4), slow=True),
    array_function("functional.lstm_step", "", arguments(normal(8), normal(2)), 1.0, slow=True),
    array_function("functional.gru_gates", "", normal(8), slow=True),
    array_function("functional.gru_step", "", GRU, slow=True, without=PRODUCTS),
]

#: Every initializer, as `init(rng_key, shape)`, with a shape that it can fill.
INITIALIZERS = {
    "zeros": (pax.initializers.zeros, (3, 4)),
    "ones": (pax.initializers.ones, (3, 4)),
    "constant": (pax.initializers.constant(0.5), (3, 4)),
    "normal": (pax.initializers.normal(0.5), (3, 4)),
    "uniform": (pax.initializers.uniform(0.5), (3, 4)),
    "truncated_normal": (pax.initializers.truncated_normal(0.5), (3, 4)),
    "variance_scaling": (pax.initializers.variance_scaling(1.0, "fan_out", "normal"), (3, 4)),
    "lecun_normal": (pax.initializers.lecun_normal(), (3, 4)),
    "lecun_uniform": (pax.initializers.lecun_uniform(), (3, 4)),
    "glorot_normal": (pax.initializers.glorot_normal(), (3, 4)),
    "glorot_uniform": (pax.initializers.glorot_uniform(), (3, 4)),
    "he_normal": (pax.initializers.he_normal(), (3, 4)),
    "he_uniform": (pax.initializers.he_uniform(), (3, 4)),
    "orthogonal": (pax.initializers.orthogonal(), (3, 4)),
    "delta_orthogonal": (pax.initializers.delta_orthogonal(), (2, 3, 4)),
    "kaiming_normal": (pax.initializers.kaiming_normal(mode="fan_out"), (3, 4)),
    "kaiming_uniform": (pax.initializers.kaiming_uniform(a=0.5), (3, 4)),
    "uniform_between": (pax.initializers.uniform_between(-0.5, 1.5), (3, 4)),
    "identity": (pax.initializers.identity(0.5), (3, 4)),
    "dirac": (pax.initializers.dirac(0.5), (3, 2, 4)),
    "sparse": (pax.initializers.sparse(0.5), (3, 4)),
}
