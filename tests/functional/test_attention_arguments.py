"""What attention refuses, before any array is made."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import attention_implementation, dot_product_attention
from tests.functional.messages import message

B, T, S, H, G, K = 2, 3, 5, 4, 2, 8
KEY = np.array([0, 1], np.uint32)


def shape(*sizes: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, dtype)


def integers(*sizes: int) -> jax.ShapeDtypeStruct:
    return shape(*sizes, dtype=jnp.int32)


def refusal(kind: type[Exception], **options: Any) -> str:
    """Returns what both functions say, the one with arrays and the other with shapes."""
    sequences = shape(B, T, H, K), shape(B, S, G, K), shape(B, S, G, K)
    of_shapes = message(kind, lambda: attention_implementation(*sequences, **options))

    def of_arrays(*arrays: Any) -> Any:
        return dot_product_attention(
            *arrays[:3], **options | dict(zip(given, arrays[3:], strict=True))
        )

    given = [n for n, x in options.items() if isinstance(x, jax.ShapeDtypeStruct)]
    inputs = (*sequences, *(options[n] for n in given))
    assert message(kind, lambda: jax.eval_shape(of_arrays, *inputs)) == of_shapes
    return of_shapes


@pytest.mark.parametrize("window", [0, -3, 2.0, True, "4"])
@pytest.mark.usefixtures("unchecked")
def test_a_window_is_a_positive_integer(window: Any) -> None:
    assert refusal(ArgumentError, window=window) == (
        f"dot_product_attention got window={window!r}; expected a positive integer or None.\n"
        "  fix: give the number of places that are seen on one side, the own one included."
    )


@pytest.mark.parametrize("cap", [0, -1.0, float("inf"), float("nan"), "50"])
@pytest.mark.usefixtures("unchecked")
def test_a_soft_cap_is_positive(cap: Any) -> None:
    assert refusal(ArgumentError, soft_cap=cap) == (
        f"dot_product_attention got soft_cap={cap!r}; expected a positive number or None.\n"
        "  fix: give the bound of the scores, e.g. soft_cap=50.0, or None for no bound."
    )


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), "1", np.ones(())])
@pytest.mark.usefixtures("unchecked")
def test_a_scale_is_a_finite_number(scale: Any) -> None:
    assert refusal(ArgumentError, scale=scale) == (
        f"dot_product_attention got scale={scale!r}; expected a finite number or None.\n"
        "  fix: leave it None for K ** -0.5; multiply the query by a scale that is an array."
    )


@pytest.mark.parametrize("rate", [1.0, -0.1, float("nan")])
def test_a_rate_is_below_one(rate: float) -> None:
    assert refusal(ArgumentError, dropout_rate=rate, rng_key=KEY) == (
        f"dot_product_attention got dropout_rate={rate!r}; expected a number in [0, 1).\n"
        "  fix: give the share of entries to drop, e.g. dropout_rate=0.1."
    )


@pytest.mark.parametrize(("rate", "rng_key"), [(0.1, None), (0.0, KEY), (0, KEY)])
def test_a_rate_has_a_key(rate: float, rng_key: Any) -> None:
    has_key = "no rng_key" if rng_key is None else "an rng_key"
    assert refusal(ArgumentError, dropout_rate=rate, rng_key=rng_key) == (
        f"dot_product_attention got dropout_rate={rate} and {has_key}; expected both or neither.\n"
        "  fix: pass rng_key=pax.next_rng_key() with a rate above 0, and None without."
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("query_segment_ids", "key_segment_ids"), ("key_segment_ids", "query_segment_ids")],
)
def test_segment_ids_come_in_pairs(one: str, other: str) -> None:
    assert refusal(ArgumentError, **{one: integers(B, T)}) == (
        f"dot_product_attention got {one} without {other}; expected both or neither.\n"
        f"  fix: pass {other} too; it is the same array where a sequence attends to itself."
    )


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("query_positions", (S,)),
        ("query_positions", (B, 1)),
        ("query_positions", (3, T)),
        ("query_positions", ()),
        ("key_positions", (1, B, S)),
        ("key_positions", (B, S + 1)),
    ],
)
def test_positions_of_other_shapes(name: str, sizes: tuple[int, ...]) -> None:
    places = T if name == "query_positions" else S
    assert refusal(ShapeError, **{name: integers(*sizes)}) == (
        f"dot_product_attention got {name} of shape {sizes}; expected ({places},) or "
        f"{(B, places)}.\n"
        "  fix: give one integer for each place, with all leading axes or with none."
    )


def test_segment_ids_of_other_shapes() -> None:
    ids = {"query_segment_ids": integers(B, T), "key_segment_ids": integers(B, T)}
    assert refusal(ShapeError, **ids) == (
        "dot_product_attention got key_segment_ids of shape (2, 3); expected (5,) or (2, 5).\n"
        "  fix: give one integer for each place, with all leading axes or with none."
    )


@pytest.mark.parametrize("name", ["query_positions", "key_positions", "segment_ids"])
def test_positions_and_ids_are_integers(name: str) -> None:
    options = {name: shape(T if name == "query_positions" else S)}
    if name == "segment_ids":
        name = "key_segment_ids"
        options = {"query_segment_ids": integers(T), name: shape(S)}
    assert refusal(DtypeError, **options) == (
        f"dot_product_attention got {name} of dtype float32; expected an integer dtype.\n"
        f"  fix: convert it first, e.g. {name}.astype(jnp.int32)."
    )


@pytest.mark.parametrize("name", ["alibi_slopes", "sinks"])
@pytest.mark.parametrize("sizes", [(G,), (H, 1), (1,), ()])
def test_one_number_for_each_head(name: str, sizes: tuple[int, ...]) -> None:
    assert refusal(ShapeError, **{name: shape(*sizes)}) == (
        f"dot_product_attention got {name} of shape {sizes}; expected (4,).\n"
        "  fix: give one number for each head of the query."
    )


@pytest.mark.parametrize("name", ["alibi_slopes", "sinks", "bias"])
def test_what_is_added_is_floating(name: str) -> None:
    sizes = (T, S) if name == "bias" else (H,)
    assert refusal(DtypeError, **{name: integers(*sizes)}) == (
        f"dot_product_attention got {name} of dtype int32; expected a floating dtype.\n"
        f"  fix: convert it first, e.g. {name}.astype(jnp.float32)."
    )


@pytest.mark.parametrize("name", ["bias", "mask"])
@pytest.mark.parametrize("sizes", [(S,), (S, T), (B, G, T, S), (H, T, S)])
def test_a_bias_and_a_mask_have_the_shape_of_the_scores(name: str, sizes: tuple[int, ...]) -> None:
    fix = f"pass a {name} of shape [T, S], or [B, 1 or H, T, S] with an axis for the heads."
    if len(sizes) == 3:
        fix = {
            "bias": "add the batch axis to one of [H, T, S]: bias[None].",
            "mask": "add the head axis: mask[:, None].",
        }[name]
    assert refusal(ShapeError, **{name: shape(*sizes)}) == (
        f"dot_product_attention got {name} of shape {sizes} for scores of shape (2, 4, 3, 5) "
        f"[..., H, T, S].\n  fix: {fix}"
    )


@pytest.mark.parametrize(("heads", "groups"), [(4, 3), (2, 4), (4, 0)])
def test_heads_that_do_not_divide(heads: int, groups: int) -> None:
    query, key = shape(B, T, heads, K), shape(B, S, groups, K)
    for function in (dot_product_attention, attention_implementation):
        found = message(ShapeError, lambda f=function: jax.eval_shape(f, query, key, key))
        assert found == (
            f"dot_product_attention got a query of {heads} heads and a key of {groups}; expected "
            "a multiple of the heads of the key.\n"
            "  fix: let as many query heads share each key head: "
            "num_heads = n * num_key_heads."
        )


def test_an_unknown_option_is_refused() -> None:
    x = shape(B, T, H, K)
    assert message(TypeError, lambda: attention_implementation(x, x, x, biass=x)) == (
        "attention_implementation got an unexpected argument 'biass'"
    )
