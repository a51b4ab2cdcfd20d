"""The dense product."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import DtypeError, ShapeError
from pax.functional import bilinear, linear
from pax.functional.arrays import as_array
from tests.functional.messages import message

WEIGHT = jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
BIAS = jnp.array([0.5, 0.0, -1.0])


def test_by_hand() -> None:
    x = jnp.array([[1.0, 10.0], [2.0, -1.0]])
    assert linear(x, WEIGHT, BIAS).tolist() == [[41.5, 52.0, 62.0], [-1.5, -1.0, -1.0]]
    assert linear(x, WEIGHT).tolist() == [[41.0, 52.0, 63.0], [-2.0, -1.0, 0.0]]


@pytest.mark.parametrize("shape", [(2,), (0, 2), (3, 2), (3, 1, 4, 2)])
def test_any_rank(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    y = linear(x, WEIGHT, BIAS)
    assert y.shape == (*shape[:-1], 3)
    expected = x.astype(np.float64) @ np.asarray(WEIGHT, np.float64) + np.asarray(BIAS, np.float64)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_the_gradient_of_a_weight_copies_nothing() -> None:
    def gradients(x: jax.Array, y: jax.Array) -> tuple[jax.Array, ...]:
        return jax.vjp(linear, x, WEIGHT, BIAS)[1](y)

    x, y = jnp.ones((4, 5, 2)), jnp.ones((4, 5, 3))
    memory = jax.jit(gradients).lower(x, y).compile().memory_analysis()
    assert memory is not None
    assert memory.temp_size_in_bytes < y.nbytes


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_axes_over_devices_stay_there(kind: str) -> None:
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType[kind],))
    given = np.random.default_rng(0).standard_normal((3, 16, 2)).astype(np.float32)
    x = jax.device_put(given, jax.NamedSharding(mesh, jax.P(None, "data", None)))
    program = jax.jit(linear).lower(x, WEIGHT, BIAS).compile()
    assert "all-gather" not in program.as_text()
    y = linear(x, WEIGHT, BIAS)
    assert y.sharding.is_equivalent_to(x.sharding, 3)
    np.testing.assert_allclose(y, given @ np.asarray(WEIGHT) + np.asarray(BIAS), rtol=1e-5)


def test_no_input_features() -> None:
    assert linear(jnp.ones((2, 0)), jnp.ones((0, 3)), BIAS).tolist() == [BIAS.tolist()] * 2


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_equal_dtypes_are_kept(dtype: jnp.dtype) -> None:
    y = linear(jnp.ones((2, 2), dtype), WEIGHT.astype(dtype), BIAS.astype(dtype))
    assert y.dtype == dtype


@pytest.mark.parametrize("given", [jnp.bfloat16, jnp.int8, jnp.bool_])
def test_other_dtypes_are_promoted_as_jnp_does(given: jnp.dtype) -> None:
    x = jnp.array([[1, 0]], given)
    with jax.numpy_dtype_promotion("standard"):
        y = linear(x, WEIGHT, BIAS)
        assert y.dtype == jnp.float32
        assert y.tolist() == [[1.5, 2.0, 2.0]]


def test_strict_promotion_is_respected() -> None:
    with pytest.raises(ValueError, match="dtype_promotion=strict"):
        linear(jnp.ones((1, 2), jnp.bfloat16), WEIGHT)


def test_errors() -> None:
    assert message(ShapeError, lambda: linear(jnp.ones((8, 64)), WEIGHT)) == (
        "linear got x of shape (8, 64); expected (..., 2).\n"
        "  fix: the last axis of x meets the first axis of weight, whose shape is (2, 3)."
    )
    assert message(ShapeError, lambda: linear(1.0, WEIGHT)) == (
        "linear got x of shape (); expected (..., 2).\n"
        "  fix: the last axis of x meets the first axis of weight, whose shape is (2, 3)."
    )
    assert message(ShapeError, lambda: linear(jnp.ones(2), WEIGHT[0])) == (
        "linear got weight of shape (3,); expected [in_dim, out_dim].\n"
        "  fix: store the matrix with the input axis first, then the output axis."
    )
    # a bias of one entry would broadcast
    assert message(ShapeError, lambda: linear(jnp.ones(2), WEIGHT, BIAS[:1])) == (
        "linear got bias of shape (1,); expected (3,).\n"
        "  fix: bias has one entry for each column of weight, whose shape is (2, 3)."
    )


def test_what_is_no_array_is_refused() -> None:
    assert message(DtypeError, lambda: as_array("linear", "x", [1.0, 2.0])) == (
        "linear got x of type list; expected an array.\n  fix: pass an array, e.g. jnp.asarray(x)."
    )


LEFT, RIGHT = (jnp.asarray(np.random.default_rng(i).standard_normal((2, 3))) for i in range(2))
W3 = jnp.ones((3, 3, 4))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            (LEFT, RIGHT, W3[0]),
            "bilinear got left of shape (2, 3), right of shape (2, 3) and weight of shape (3, 4); "
            "expected [..., left_dim], [..., right_dim] and [left_dim, right_dim, out_dim].\n"
            "  fix: give left and right the same axes but for the last, and weight one axis for "
            "each.",
        ),
        (
            (LEFT, RIGHT[0], W3),
            "bilinear got left of shape (2, 3), right of shape (3,) and weight of shape "
            "(3, 3, 4); expected [..., left_dim], [..., right_dim] and "
            "[left_dim, right_dim, out_dim].\n"
            "  fix: give left and right the same axes but for the last, and weight one axis for "
            "each.",
        ),
        (
            (LEFT, RIGHT, W3, jnp.ones(3)),
            "bilinear got bias of shape (3,); expected (4,).\n"
            "  fix: bias has one entry for each output of weight, whose shape is (3, 3, 4).",
        ),
    ],
)
def test_bilinear_refuses_what_does_not_fit(arguments: tuple[jax.Array, ...], text: str) -> None:
    assert message(ShapeError, lambda: bilinear(*arguments)) == text
