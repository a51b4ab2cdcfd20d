"""The rows of attention with several heads, and of what tells it positions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import pax
from tests.contracts.draws import arguments, integers, normal, seen, unbatched
from tests.contracts.rows import INTEGERS, PRODUCTS, SHARED_ARGUMENT, WEIGHTS, array_function, row

attention = functools.partial(row, "MultiHeadAttention", without=WEIGHTS)
causal = functools.partial(attention, without=WEIGHTS | SHARED_ARGUMENT)
QUERY_KEY_VALUE = arguments(normal(2, 6), normal(4, 6), normal(4, 6))
DENSE = [f"{part}_projection" for part in ("query", "key", "value", "output")]
PROJECTIONS = " ".join(f"{fc}.{array}" for fc in DENSE for array in ("weight", "bias"))
WEIGHTS_ONLY = " ".join(f"{fc}.weight" for fc in DENSE)
MASK_TS, MASK_1TS, MASK_HTS = seen(2, 4), seen(1, 2, 4, batched=True), seen(2, 2, 4, batched=True)


def to_itself(layer: Any, x: Any) -> Any:
    """Lets a sequence attend to its past."""
    return layer(x, x, x, is_causal=True)


def in_two_steps(layer: Any, x: Any) -> Any:
    """Decodes a sequence, two tokens first."""
    first, cache = layer.decode(x[:, :2], layer.make_cache(len(x), x.shape[1], dtype=x.dtype))
    return first, layer.decode(x[:, 2:], cache)[0]


def across(layer: Any, query: Any, source: Any) -> Any:
    """Attends to a source that is projected first."""
    return layer.attend(query, layer.project_source(source))


GROUPED: dict[str, Any] = {
    "query_dim": 6,
    "num_kv_heads": 1,
    "with_bias": False,
    "window": 2,
    "with_sinks": True,
    "query_key_norm": True,
}
SIZES = {"query_dim": 3, "key_dim": 5, "value_dim": 4, "value_size": 3, "out_dim": 7}
NORMS = "query_norm.scale key_norm.scale sinks"

ATTENTION = [
    attention("", (2, 3, 1.0), QUERY_KEY_VALUE, PROJECTIONS),
    causal(
        "mask [T, S]",
        (2, 3, 0.5),
        arguments(QUERY_KEY_VALUE, MASK_TS),
        PROJECTIONS,
        name="a",
        slow=True,
    ),
    attention(
        "mask [B, 1, T, S]",
        (2, 3, 1.0),
        arguments(QUERY_KEY_VALUE, MASK_1TS),
        PROJECTIONS,
        slow=True,
    ),
    attention(
        "mask [B, H, T, S]",
        (2, 3, 1.0),
        arguments(QUERY_KEY_VALUE, MASK_HTS),
        PROJECTIONS,
        slow=True,
    ),
    attention(
        "grouped, rotary, window, sinks, norm",
        (2, 4, 1.0),
        normal(4, 6),
        f"{WEIGHTS_ONLY} {NORMS}",
        call=to_itself,
        position=pax.RotaryEmbed(4),
        **GROUPED,
    ),
    attention(
        "steps",
        (2, 4, 1.0),
        normal(4, 6),
        f"{WEIGHTS_ONLY} {NORMS}",
        call=in_two_steps,
        position=pax.Alibi(2),
        slow=True,
        **GROUPED,
    ),
    attention(
        "a source, sizes, cap, scale",
        (2, 4, 1.0),
        arguments(normal(2, 3), normal(3, 3)),
        f"{WEIGHTS_ONLY} output_projection.bias",
        call=across,
        soft_cap=1.0,
        scale=0.5,
        with_bias=False,
        with_output_bias=True,
        slow=True,
        **SIZES | {"key_dim": 3, "value_dim": 3},
    ),
    attention(
        "dropout, sizes",
        (2, 4, 1.0),
        arguments(normal(2, 3), normal(3, 5), normal(3, 4)),
        PROJECTIONS,
        "rng_key",
        dropout_rate=0.3,
        changes=True,
        slow=True,
        without=WEIGHTS | {"rows": "which weights are dropped depends on the place in the batch"},
        **SIZES,
    ),
    row(
        "AdditiveAttention",
        "",
        (3, 5, 4),
        arguments(normal(2, 3), normal(4, 5), normal(4, 2), seen(2, 4, batched=True)),
        "query_projection.weight query_projection.bias key_projection.weight weight",
        without=WEIGHTS,
        name="align",
        slow=True,
    ),
    row(
        "AdditiveAttention",
        "no bias",
        (3, 5, 4),
        arguments(normal(2, 3), normal(4, 5)),
        "query_projection.weight key_projection.weight weight",
        without=WEIGHTS,
        with_bias=False,
        slow=True,
    ),
]

PLACES = arguments(integers(20, 3), integers(20, 4))
NO_FLOATS = INTEGERS | {"gradient": "the inputs are integers"}
#: A bias and a rotation are not bounded by the largest float16; positions are small.
POSITIONS = [
    row("RotaryEmbed", "", (4,), normal(3, 2, 4), without=PRODUCTS, name="rotary"),
    row(
        "RotaryEmbed",
        "pairs, partial, scaled",
        (6,),
        arguments(normal(3, 2, 6), integers(99, 3)),
        without=PRODUCTS,
        theta=99.0,
        convention="pairs",
        rotary_dim=4,
        scaling=pax.functional.LinearRotaryScaling(2.0),
        slow=True,
    ),
    row(
        "Alibi",
        "",
        (3,),
        PLACES,
        without=NO_FLOATS | {"dtype": "the inputs are integers, and the slopes float32"},
        name="slopes",
        slow=True,
    ),
    row(
        "RelativePositionBias",
        "",
        (8, 10, 3, False),
        PLACES,
        "weight",
        without=INTEGERS | WEIGHTS,
        w_init=pax.initializers.normal(1.0),
        name="bias",
        slow=True,
    ),
]
POSITION_FUNCTIONS = [
    array_function(
        "functional.additive_attention",
        "",
        arguments(normal(2, 3), normal(4, 3), normal(4, 2), unbatched(3)),
        without=PRODUCTS | SHARED_ARGUMENT,
        slow=True,
    ),
    array_function(
        "functional.rotary_embed",
        "",
        normal(3, 2, 4),
        np.arange(3),
        without=PRODUCTS,
        scaling=pax.functional.YarnRotaryScaling(2.0, 16),
        slow=True,
    ),
    array_function(
        "functional.relative_position_bucket",
        "",
        integers(99, 3),
        without=NO_FLOATS,
        slow=True,
    ),
]
