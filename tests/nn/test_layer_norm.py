"""Layer normalisation: numbers by hand, scale and offset, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called


def test_by_hand() -> None:
    norm = pax.LayerNorm(3, -1, True, True, eps=10.0).replace(
        scale=jnp.array([1.0, 2.0, -1.0]), offset=jnp.array([0.0, 0.5, 0.0])
    )
    # mean 4, deviations -3, 0, 3 and variance 6; sqrt(6 + 10) = 4
    y = called(norm, jnp.array([[1.0, 4.0, 7.0], [7.0, 4.0, 1.0]]))
    np.testing.assert_allclose(y, [[-0.75, 0.5, -0.75], [0.75, 0.5, 0.75]], rtol=1e-6)


def test_over_another_axis_the_scale_stays_with_the_channels() -> None:
    norm = pax.LayerNorm(3, 0, True, False, eps=7.0).replace(scale=jnp.array([1.0, 2.0, 3.0]))
    y = called(norm, jnp.array([[0.0, 6.0, 1.0], [6.0, 0.0, 1.0]]))
    np.testing.assert_allclose(y, [[-0.75, 1.5, 0.0], [0.75, -1.5, 0.0]], rtol=1e-6)


def test_initial_values() -> None:
    norm = pax.LayerNorm(3, -1, True, True)
    np.testing.assert_array_equal([norm.scale, norm.offset], [np.ones(3), np.zeros(3)])


def test_own_initial_values() -> None:
    key, init = jax.random.PRNGKey(3), pax.initializers.normal(1.0)
    norm = pax.LayerNorm(3, -1, True, True, 1e-5, init, init, rng_key=key)
    scale_key, offset_key = jax.random.split(key)
    np.testing.assert_array_equal(norm.scale, init(scale_key, (3,)))
    np.testing.assert_array_equal(norm.offset, init(offset_key, (3,)))


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("offset", [True, False])
def test_parts_that_are_switched_off_are_none(scale: bool, offset: bool) -> None:
    norm = pax.LayerNorm(3, -1, scale, offset)
    assert (norm.scale is not None, norm.offset is not None) == (scale, offset)
    assert len(jax.tree.leaves(norm.parameters())) == scale + offset


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (2, 3)], ids=str)
def test_scale_and_offset_of_the_call(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, scale, offset = (rng.standard_normal(s).astype(np.float32) for s in ((2, 3), shape, shape))
    bare = pax.LayerNorm(3, -1, False, False)
    y = np.asarray(called(bare, x))
    for given, expected in (
        ((scale, offset), y * scale + offset),
        ((scale,), y * scale),
        ((None, offset), y + offset),
    ):
        np.testing.assert_allclose(called(bare, x, *given), expected, rtol=1e-5, atol=1e-6)


def test_a_large_mean_costs_no_digits() -> None:
    x = 1e4 + np.random.default_rng(0).standard_normal((4, 512)).astype(np.float32)
    exact = x.astype(np.float64)
    expected = (exact - exact.mean(-1, keepdims=True)) / exact.std(-1, keepdims=True)
    y = called(pax.LayerNorm(512, -1, False, False, eps=1e-8), x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_half_precision_does_not_overflow() -> None:
    x = jnp.array([[6e4, -6e4, 6e4, -6e4]], jnp.float16)
    y = called(pax.LayerNorm(4, -1, True, True), x)
    assert y.dtype == jnp.float16
    np.testing.assert_array_equal(y, [[1, -1, 1, -1]])


def test_edge_shapes() -> None:
    norm = pax.LayerNorm(3, -1, True, True)
    assert called(norm, jnp.zeros((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(called(norm, jnp.full((3,), 5.0)), np.zeros(3))
    np.testing.assert_array_equal(
        called(pax.LayerNorm(1, -1, True, True), jnp.ones((2, 1))), [[0], [0]]
    )


def test_one_vector_at_a_time() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    norm = pax.LayerNorm(3, -1, True, True)
    np.testing.assert_allclose(jax.jit(jax.vmap(norm))(x), called(norm, x), rtol=1e-6)


def test_printed_form() -> None:
    assert repr(pax.LayerNorm(3, (-1, -2), True, False, name="ln")) == (
        "(ln) LayerNorm(num_channels=3, axis=(-1, -2), create_scale=True, create_offset=False)"
    )


def layer_norm(axis: Any = -1, scale: bool = True, offset: bool = True, **options: Any) -> Any:
    """Returns what makes a layer."""
    return lambda: pax.LayerNorm(3, axis, scale, offset, **options)


def text(axis: Any = -1, scale: bool = True) -> str:
    """Returns the printed form of such a layer."""
    return f"LayerNorm(num_channels=3, axis={axis}, create_scale={scale}, create_offset=True)"


def axis(value: Any) -> Bad:
    """Returns an axis that is refused."""
    return Bad(
        layer_norm(value),
        pax.ArgumentError,
        f"LayerNorm got axis={value!r}; expected an int, a slice, or a sequence of ints.",
        "write axis=-1 for the last axis, or axis=slice(1, None) for all but the first.",
    )


X = np.zeros((2, 3), np.float32)


@each(
    *map(axis, [None, 1.5, "last", (), (1.0,), [0, "1"]]),
    Bad(
        lambda: pax.LayerNorm(0, -1, True, True),
        pax.ArgumentError,
        "LayerNorm got num_channels=0; expected an integer of at least 1.",
        "set num_channels to a positive integer.",
    ),
    Bad(
        lambda: pax.LayerNorm(3, -1, "ones", True),  # type: ignore[arg-type]
        pax.ArgumentError,
        "LayerNorm got create_scale of type str; expected True or False.",
        "write create_scale=True, and name the arguments after it.",
    ),
    Bad(
        layer_norm(eps=-1.0),
        pax.ArgumentError,
        "LayerNorm got eps=-1.0; expected a positive number.",
        "set eps to a positive number.",
    ),
    Bad(
        layer_norm(scale=False, scale_init=jax.nn.initializers.ones),
        pax.ArgumentError,
        "LayerNorm got scale_init although create_scale is False.",
        "leave scale_init out, or set create_scale=True.",
    ),
    Bad(
        layer_norm(offset=False, offset_init=jax.nn.initializers.ones),
        pax.ArgumentError,
        "LayerNorm got offset_init although create_offset is False.",
        "leave offset_init out, or set create_offset=True.",
    ),
    Bad(
        layer_norm(scale_init=2.0),
        pax.ArgumentError,
        "LayerNorm got scale_init of type float, which cannot be called.",
        "pass a function of (rng_key, shape): scale_init=jax.nn.initializers.normal(0.02).",
    ),
    Bad(
        layer_norm(offset_init=lambda key, shape: np.zeros(())),
        pax.ArgumentError,
        "LayerNorm got an array of shape () from offset_init; expected (3,).",
        "let offset_init return an array of the shape that it is given: "
        "offset_init(rng_key, shape).",
    ),
    Bad(
        layer_norm(),
        pax.DtypeError,
        f"{text()} got input of type NoneType; expected an array.",
        "convert it first: jnp.asarray(x).",
        (None,),
    ),
    Bad(
        layer_norm(),
        pax.DtypeError,
        f"{text()} got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        (X.astype(np.int32),),
    ),
    Bad(
        layer_norm(),
        pax.ShapeError,
        f"{text()} got input of shape (3, 2); expected (..., 3).",
        "the layer before gives 2 features; build this one with num_channels=2.",
        (X.T,),
    ),
    Bad(
        layer_norm(2),
        pax.ShapeError,
        f"{text(2)} got input of shape (2, 3), which has no axes 2.",
        "choose axes that the input has.",
        (X,),
    ),
    Bad(
        layer_norm(slice(2, None)),
        pax.ShapeError,
        f"{text(slice(2, None))} got input of shape (2, 3), which has no axes "
        "slice(2, None, None).",
        "choose axes that the input has.",
        (X,),
    ),
    Bad(
        layer_norm(0),
        pax.ShapeError,
        f"{text(0)} got input of shape (0, 3), which is empty along the axes to normalise over "
        "and has no mean there.",
        "leave empty inputs out.",
        (X[:0],),
    ),
    Bad(
        layer_norm(),
        pax.ArgumentError,
        f"{text()} got scale at the call although it has its own.",
        "build it with create_scale=False, or leave scale out.",
        (X, X),
    ),
    Bad(
        layer_norm(),
        pax.ArgumentError,
        f"{text()} got offset at the call although it has its own.",
        "build it with create_offset=False, or leave offset out.",
        (X, None, X),
    ),
    Bad(
        layer_norm(scale=False),
        pax.ShapeError,
        f"{text(scale=False)} got scale of shape (3, 2) for input of shape (2, 3); expected a "
        "shape that broadcasts to the input's.",
        "give one value for each channel, reshaped to the axes of the input.",
        (X, X.T),
    ),
    Bad(
        layer_norm(scale=False),
        pax.DtypeError,
        f"{text(scale=False)} got scale of type float; expected an array.",
        "convert it first: jnp.asarray(x).",
        (X, 2.0),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
