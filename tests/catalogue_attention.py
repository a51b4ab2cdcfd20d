"""The rows of the catalogue that are functions of attention."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pax
from tests.catalogue_attention_layers import MASK_TS
from tests.contracts.case import Case
from tests.contracts.draws import arguments, integers, normal, unbatched
from tests.contracts.rows import PRODUCTS, SHARED_ARGUMENT, array_function

QKV = arguments(normal(2, 2, 3), normal(4, 2, 3), normal(4, 2, 5))
GROUPED = arguments(normal(2, 4, 3), normal(4, 2, 3), normal(4, 2, 5))
OPTIONS = arguments(
    GROUPED, normal(4, 2, 4), unbatched(4), unbatched(4), integers(2, 2), integers(2, 4)
)


def _attend(
    query: Any, key: Any, value: Any, bias: Any, slopes: Any, sinks: Any, *ids: Any, **options: Any
) -> jax.Array:
    """Attends with every option at once."""
    return pax.functional.dot_product_attention(
        query,
        key,
        value,
        is_causal=True,
        window=3,
        query_positions=jnp.asarray([1, 3]),
        key_positions=jnp.asarray([1, 0, -1, 2]),
        query_segment_ids=ids[0],
        key_segment_ids=ids[1],
        bias=bias,
        alibi_slopes=slopes,
        scale=0.4,
        soft_cap=2.0,
        sinks=sinks,
        **options,
    )


def _row(variant: str, *, slow: bool = False, **options: Any) -> Case:
    def make(key: Any) -> pax.Module:
        return pax.Lambda(functools.partial(_attend, **options))

    return Case(
        "functional.dot_product_attention",
        variant,
        make,
        OPTIONS,
        without=SHARED_ARGUMENT | PRODUCTS,
        slow=slow,
    )


ATTENTION_FUNCTIONS = [
    array_function("functional.dot_product_attention", "", QKV, without=PRODUCTS),
    array_function(
        "functional.dot_product_attention",
        "mask",
        arguments(QKV, MASK_TS),
        without=SHARED_ARGUMENT | PRODUCTS,
    ),
    array_function(
        "functional.dot_product_attention", "heads in groups", GROUPED, without=PRODUCTS, slow=True
    ),
    _row("options"),
    _row("options, in chunks", implementation="chunked", slow=True),
    _row(
        "options, dropout",
        dropout_rate=0.3,
        rng_key=np.array([3, 4], np.uint32),
        slow=True,
    ),
]
