"""Normalisation by the root mean square: numbers by hand, edges, errors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called


def test_by_hand() -> None:
    norm = pax.RMSNorm(2, eps=7.0).replace(scale=jnp.array([2.0, 3.0]))
    # the mean square is 9, and eps is inside the root: sqrt(9 + 7) = 4
    y = called(norm, jnp.array([[3.0, -3.0], [0.0, 18**0.5]]))
    np.testing.assert_allclose(y, [[1.5, -2.25], [0.0, 0.75 * 18**0.5]], rtol=1e-6)


def test_the_mean_stays() -> None:
    x = 5 + np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    y = called(pax.RMSNorm(8), x)
    exact = x.astype(np.float64)
    expected = exact / np.sqrt(np.square(exact).mean(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert y.mean() > 0.9


def test_initial_values() -> None:
    np.testing.assert_array_equal(pax.RMSNorm(3).scale, np.ones(3))  # type: ignore[arg-type]
    key, init = jax.random.PRNGKey(3), pax.initializers.normal(1.0)
    norm = pax.RMSNorm(3, scale_init=init, rng_key=key)
    np.testing.assert_array_equal(norm.scale, init(key, (3,)))  # type: ignore[arg-type]
    assert jax.tree.leaves(pax.RMSNorm(3, create_scale=False)) == []


def test_edge_shapes() -> None:
    assert called(pax.RMSNorm(4), jnp.zeros((0, 4))).shape == (0, 4)
    np.testing.assert_array_equal(called(pax.RMSNorm(1), jnp.zeros((2, 1))), [[0], [0]])
    gradient = jax.grad(lambda x: pax.RMSNorm(2)(x).sum())(jnp.zeros(2))
    assert np.isfinite(gradient).all()


def test_printed_form() -> None:
    assert repr(pax.RMSNorm(4, name="rms")) == (
        "(rms) RMSNorm(num_channels=4, axis=-1, create_scale=True)"
    )


TEXT = "RMSNorm(num_channels=4, axis=-1, create_scale=True)"
X = np.zeros((2, 3, 4), np.float32)


@each(
    Bad(
        lambda: pax.RMSNorm(0),
        pax.ArgumentError,
        "RMSNorm got num_channels=0; expected an integer of at least 1.",
        "set num_channels to a positive integer.",
    ),
    Bad(
        lambda: pax.RMSNorm(4, -1, "ones"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "RMSNorm got create_scale of type str; expected True or False.",
        "write create_scale=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.RMSNorm(4, create_scale=False, scale_init=pax.initializers.ones),
        pax.ArgumentError,
        "RMSNorm got scale_init although create_scale is False.",
        "leave scale_init out, or set create_scale=True.",
    ),
    Bad(
        lambda: pax.RMSNorm(4, eps=-1.0),
        pax.ArgumentError,
        "RMSNorm got eps=-1.0; expected a positive number.",
        "set eps to a positive number.",
    ),
    Bad(
        lambda: pax.RMSNorm(4),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 4, 3); expected (..., 4).",
        "the layer before gives 3 features; build this one with num_channels=3.",
        (X.swapaxes(1, 2),),
    ),
    Bad(
        lambda: pax.RMSNorm(4),
        pax.DtypeError,
        f"{TEXT} got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        (X.astype(np.int32),),
    ),
    Bad(
        lambda: pax.RMSNorm(4),
        pax.ArgumentError,
        f"{TEXT} got scale at the call although it has its own.",
        "build it with create_scale=False, or leave scale out.",
        (X, X),
    ),
    Bad(
        lambda: pax.RMSNorm(4, (0, 1)),
        pax.ShapeError,
        f"{TEXT.replace('-1', '(0, 1)')} got input of shape (2, 0, 4), which is empty along the "
        "axes to normalise over and has no mean there.",
        "leave empty inputs out.",
        (X[:, :0],),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
