"""The rows of normalisation."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

import pax
from tests.contracts.case import Case
from tests.contracts.draws import arguments, normal, positive, unbatched
from tests.contracts.rows import (
    NO_BATCH,
    PRODUCTS,
    SHARED_ARGUMENT,
    WEIGHTS,
    WHOLE_BATCH,
    array_function,
    row,
)

HALF = pax.initializers.constant(0.5)
AVERAGES = "ema_mean.averages ema_mean.debias ema_var.averages ema_var.debias"


def batch_norms(n: int) -> list[Case]:
    """Returns the rows of the batch norm over `n` axes."""
    norm = functools.partial(row, f"BatchNorm{n}D", changes=True, without=WHOLE_BATCH)
    eval_norm = functools.partial(row, f"BatchNorm{n}D", evaluate=True)
    norm, eval_norm = (functools.partial(make, slow=n != 2) for make in (norm, eval_norm))
    space, both = (3, 2, 2)[:n], "scale offset"
    first = {"data_format": ("NCW", "NCHW", "NCDHW")[n - 1]}
    bare = {"create_scale": False, "create_offset": False, "eps": 1e-3, "name": "norm"}
    options = {"axis_name": "data", "unbiased_variance": True, "slow": True}
    return [
        norm("", (4,), normal(*space, 4), both, AVERAGES),
        norm("channels first", (4,), normal(4, *space), both, AVERAGES, **first),
        norm("bare", (4,), normal(*space, 4), "", AVERAGES, decay_rate=0.5, **bare, slow=True),
        eval_norm("eval", (4,), normal(*space, 4), both, AVERAGES),
        eval_norm(
            "eval, channels first", (4,), normal(4, *space), both, AVERAGES, **first, slow=True
        ),
        eval_norm("eval, options", (4,), normal(*space, 4), both, AVERAGES, **options),
    ]


layer_norm = functools.partial(row, "LayerNorm")
group_norm = functools.partial(row, "GroupNorm")
rms_norm = functools.partial(row, "RMSNorm")
instance_norm = functools.partial(row, "InstanceNorm")
local_norm = functools.partial(row, "LocalResponseNorm")
grn = functools.partial(Case, "GRN")
OWN: dict[str, Any] = {"eps": 1e-3, "scale_init": HALF, "offset_init": HALF, "name": "norm"}
FIRST: dict[str, Any] = {"data_format": "NC...", "name": "norm"}
KEYED = {"free construction": "the key is split for the initializers"}
BARE: dict[str, Any] = {"create_scale": False, "create_offset": False}
OWN_SCALE: dict[str, Any] = {"eps": 1e-3, "scale_init": HALF, "name": "norm", "slow": True}
OWN_FIRST: dict[str, Any] = OWN | FIRST | {"without": KEYED, "slow": True}
SCALE = arguments(normal(2, 4), normal(2, 4))
CONDITION = arguments(normal(2, 4), normal(2, 4), normal(2, 4))


def grn_of(*arguments: Any, **options: Any) -> Any:
    """Returns what makes the layer, with a scale that is not zero: gradients meet all of it."""
    return lambda key: pax.GRN(*arguments, **options).replace(
        scale=jax.device_put(np.array([-0.5, -1.0, -1.5], np.float32))
    )


def weight_norm(key: Any) -> Any:
    """Returns a dense layer whose weight has a direction and a length."""
    return pax.WeightNorm(pax.Linear(3, 4, rng_key=key))


def normalized_network(key: Any) -> Any:
    """Returns a network with state of its own, one of its two weights normalised."""
    conv = pax.Conv1D(3, 4, 2, rng_key=key)
    net = pax.Sequential(conv, pax.BatchNorm1D(4), jax.nn.gelu, pax.Linear(4, 2, rng_key=key))
    return pax.WeightNorm(net, weights="modules.0.*ght", axis=None, name="normalized")


def spectral_norm(key: Any) -> Any:
    """Returns a dense layer of spectral norm 1, after no more than its first steps."""
    return pax.SpectralNorm(pax.Linear(5, 6, rng_key=key), rng_key=key)


def spectral_conv(key: Any) -> Any:
    """Returns a transposed convolution of spectral norm 1."""
    layer = pax.Conv1DTranspose(3, 4, 2, rng_key=key)
    return pax.SpectralNorm(layer, weights="weight", axis=-2, num_steps=2, eps=1e-6, name="sn")


def standardized(key: Any, **options: Any) -> Any:
    """Returns a convolution with standardised weights."""
    return pax.WeightStandardization(pax.Conv1D(3, 4, 2, rng_key=key), **options)


LAYER = "layer.weight layer.bias"
NETWORK = " ".join(
    f"layer.modules.{i}.{name}"
    for i, names in ((0, "weight bias"), (1, "scale offset"), (3, "weight bias"))
    for name in names.split()
)
VECTORS = "u.weight v.weight"
CONSTANT = WEIGHTS | {"smooth": "u and v count as constants for the gradient"}

WRAPPERS = [
    Case("WeightNorm", "", weight_norm, normal(3), f"{LAYER} scales.weight", without=WEIGHTS),
    Case(
        "WeightNorm",
        "network",
        normalized_network,
        normal(4, 3),
        f"{NETWORK} scales.modules.0.weight",
        " ".join(f"layer.modules.1.{name}" for name in AVERAGES.split()),
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
        slow=True,
    ),
    Case("SpectralNorm", "", spectral_norm, normal(5), LAYER, VECTORS, True, without=CONSTANT),
    Case(
        "SpectralNorm",
        "eval",
        lambda key: spectral_norm(key).eval(),
        normal(5),
        LAYER,
        VECTORS,
        without=WEIGHTS,
        slow=True,
    ),
    Case(
        "SpectralNorm",
        "options",
        spectral_conv,
        normal(4, 3),
        LAYER,
        VECTORS,
        True,
        without=CONSTANT,
        slow=True,
    ),
    Case(
        "WeightStandardization",
        "",
        standardized,
        normal(4, 3),
        LAYER,
        without=WEIGHTS,
        slow=True,
    ),
    Case(
        "WeightStandardization",
        "options",
        lambda key: standardized(key, weights="weight", axis=-2, eps=1e-3, name="ws"),
        normal(4, 3),
        LAYER,
        without=WEIGHTS,
        slow=True,
    ),
]

NORMS = [
    *batch_norms(1),
    *batch_norms(2),
    *batch_norms(3),
    layer_norm("", (4, -1, True, True), normal(2, 4), "scale offset"),
    layer_norm("bare", (4, -1, False, False), normal(2, 4)),
    layer_norm(
        "two axes", (4, (1, 2), True, True), normal(2, 4), "scale offset", **OWN, without=KEYED
    ),
    layer_norm(
        "scale and offset given", (4, -1, False, False), CONDITION, without=PRODUCTS, slow=True
    ),
    group_norm("", (2, 4), normal(3, 4), "scale offset"),
    group_norm("channels first", (2, 4), normal(4, 3), "scale offset", data_format="NC..."),
    group_norm(
        "axis",
        (2, 4, slice(2, None)),
        normal(2, 3, 4),
        "scale offset",
        **OWN,
        without=KEYED,
        slow=True,
    ),
    group_norm("scale and offset given", (2, 4), CONDITION, **BARE, without=PRODUCTS),
    rms_norm("", (4,), normal(2, 4), "scale"),
    rms_norm("two axes", (4, (1, 2)), normal(2, 4), "scale", **OWN_SCALE),
    rms_norm("scale given", (4, -1, False), SCALE, without=PRODUCTS, slow=True),
    instance_norm("", (4,), normal(3, 4), "scale offset", slow=True),
    instance_norm("channels first", (4,), normal(4, 3, 2), "scale offset", **OWN_FIRST),
    instance_norm("given", (4, False, False), CONDITION, without=PRODUCTS, slow=True),
    local_norm("", (3,), normal(2, 5), alpha=0.3),
    local_norm("channels first", (2, 2.0), normal(5, 3), beta=0.5, k=2.0, **FIRST, slow=True),
    grn("", grn_of(3), normal(2, 3), "scale offset"),
    grn(
        "channels first",
        lambda key: pax.GRN(3, 1e-3, "NC...", name="grn"),
        normal(3, 2),
        "scale offset",
        slow=True,
    ),
    *WRAPPERS,
]

STATISTICS = WHOLE_BATCH | {"dtype": "the statistics stay in float32"}
MATRIX, LENGTHS = unbatched(3, 4), arguments(unbatched(3, 4), positive(4))
VECTOR = arguments(MATRIX, positive(3))
BOTH = arguments(positive(3, 4), positive(4), positive(3))
NOT_SMOOTH = NO_BATCH | CONSTANT
GROWS: dict[str, Any] = {"slow": True, "without": PRODUCTS}
MOMENTS = arguments(normal(2, 4), unbatched(4), positive(4))
X = normal(2, 4)

NORM_FUNCTIONS = [
    array_function("functional.normalize", "", MOMENTS, 1e-3, slow=True, without=SHARED_ARGUMENT),
    array_function(
        "functional.batch_normalize", "", X, (0, 1), 1e-3, slow=True, without=STATISTICS
    ),
    array_function("functional.layer_normalize", "", X, (-1,), 1e-3, slow=True),
    array_function("functional.group_normalize", "", X, 2, 2, (1,), 1e-3, slow=True),
    array_function("functional.group_normalize", "all apart", X, 4, 2, (1,), 1e-3, slow=True),
    array_function("functional.rms_normalize", "", X, (-1,), 1e-3, slow=True),
    array_function("functional.local_response_normalize", "", X, 3, -1, slow=True),
    array_function(
        "functional.global_response_normalize", "", X, (1,), -1, 1e-3, slow=True, without=PRODUCTS
    ),
    array_function("functional.weight_normalize", "", LENGTHS, slow=True, without=NO_BATCH),
    array_function("functional.weight_standardize", "", MATRIX, slow=True, without=NO_BATCH),
    array_function("functional.power_iteration", "", VECTOR, slow=True, without=NOT_SMOOTH),
    array_function("functional.spectral_normalize", "", BOTH, slow=True, without=NOT_SMOOTH),
]
