"""Errors of normalisation by responses, and by the root mean square; dtypes."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import global_response_normalize, local_response_normalize, rms_normalize
from tests.functional.messages import message

X = jnp.ones((2, 3, 4))


def test_statistics_are_wide() -> None:
    x = jnp.asarray(6e4 * np.tanh(np.random.default_rng(0).standard_normal((2, 3, 4))), jnp.float16)
    for run in (
        lambda x: rms_normalize(x, (1, 2), 1e-5),
        lambda x: local_response_normalize(x, 3, -1),
        lambda x: global_response_normalize(x, (1,), -1, 1e-5, -0.5, 0.25),
    ):
        y, wide = run(x), run(x.astype(jnp.float32))
        assert y.dtype == jnp.float16
        np.testing.assert_array_equal(y, wide.astype(jnp.float16))


def test_errors_of_rms_normalize() -> None:
    assert message(ArgumentError, lambda: rms_normalize(X, (3,), 1e-5)) == (
        "rms_normalize got axes (3,) for x of rank 3.\n"
        "  fix: name at least one axis of x, each once."
    )
    assert message(ShapeError, lambda: rms_normalize(X, (0,), 1e-5, jnp.ones(3))) == (
        "rms_normalize got scale of shape (3,) for x of shape (2, 3, 4); expected a shape that "
        "broadcasts to that of x.\n"
        "  fix: reshape scale so that each axis, counted from the last, is 1 or that of x."
    )
    assert message(DtypeError, lambda: rms_normalize(jnp.arange(4), (0,), 1e-5)) == (
        "rms_normalize got x of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. x.astype(jnp.float32)."
    )


def test_errors_of_local_response_normalize() -> None:
    assert message(ArgumentError, lambda: local_response_normalize(X, 0, -1)) == (
        "local_response_normalize got size=0; expected at least 1.\n"
        "  fix: choose how many channels there are in a window, such as 5."
    )
    assert message(ArgumentError, lambda: local_response_normalize(X, 5, 3)) == (
        "local_response_normalize got channel_axis=3 for x of rank 3.\n"
        "  fix: name one of the axes of x."
    )


def test_errors_of_global_response_normalize() -> None:
    assert message(ArgumentError, lambda: global_response_normalize(X, (1, 2), -1, 1e-6)) == (
        "global_response_normalize got channel_axis=-1 among the axes (1, 2).\n"
        "  fix: name the axes of space alone in axes."
    )
    assert message(ShapeError, lambda: global_response_normalize(X[:, :0], (1,), -1, 1e-6)) == (
        "global_response_normalize got x of shape (2, 0, 4); there is no entry to average over.\n"
        "  fix: leave empty batches out."
    )
