"""Local and global response normalisation: numbers by hand, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called


def test_local_by_hand() -> None:
    norm = pax.LocalResponseNorm(3, alpha=3.0, beta=0.5, k=4.0)
    # sums of squares over three channels: 0 + 0 + 9, 0 + 9 + 36, 9 + 36 + 0
    y = called(norm, jnp.array([[0.0, 3.0, 6.0]]))
    np.testing.assert_allclose(y, [[0.0, 3 / 49**0.5, 6 / 49**0.5]], rtol=1e-6)


def test_a_window_of_even_size_reaches_further_back() -> None:
    norm = pax.LocalResponseNorm(2, alpha=2.0, beta=1.0, k=1.0)
    # k + x[c - 1]^2 + x[c]^2
    y = called(norm, jnp.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(y, [[1 / 2, 2 / 6, 3 / 14]], rtol=1e-6)


def test_global_by_hand() -> None:
    norm = pax.GRN(2, eps=2.0).replace(scale=jnp.array([1.0, 2.0]), offset=jnp.array([0.5, 0.0]))
    # norms over space 5 and 1, of mean 3: shares 5 / (3 + 2) and 1 / 5
    y = called(norm, jnp.array([[[3.0, 0.0], [4.0, -1.0]]]))
    np.testing.assert_allclose(y, [[[6.5, 0.0], [8.5, -1.4]]], rtol=1e-6)


def test_global_changes_nothing_at_first() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(called(pax.GRN(4), x), x)


def test_global_gradients_without_any_response() -> None:
    @jax.jit
    def gradients(norm: Any, x: jax.Array) -> Any:
        return jax.grad(lambda norm, x: norm(x).sum(), (0, 1))(norm, x)

    norm = pax.GRN(2).replace(scale=jnp.ones(2))
    of_norm, of_x = gradients(norm, jnp.zeros((1, 3, 2)))
    np.testing.assert_array_equal(of_x, np.ones((1, 3, 2)))
    np.testing.assert_array_equal([of_norm.scale, of_norm.offset], [[0, 0], [3, 3]])


def test_edges() -> None:
    assert called(pax.GRN(4), jnp.zeros((0, 5, 4))).shape == (0, 5, 4)
    assert called(pax.LocalResponseNorm(5), jnp.zeros((0, 4))).shape == (0, 4)
    assert called(pax.LocalResponseNorm(5), jnp.zeros((2, 0))).shape == (2, 0)
    y = called(pax.LocalResponseNorm(9, alpha=9.0, beta=1.0), jnp.array([[2.0]]))
    np.testing.assert_allclose(y, [[0.4]], rtol=1e-6)


def test_printed_form() -> None:
    assert repr(pax.GRN(3, name="grn")) == "(grn) GRN(num_channels=3, data_format=N...C)"
    assert repr(pax.LocalResponseNorm(5)) == (
        "LocalResponseNorm(size=5, alpha=0.0001, beta=0.75, k=1.0, data_format=N...C)"
    )


LOCAL = "LocalResponseNorm(size=5, alpha=0.0001, beta=0.75, k=1.0, data_format=N...C)"
GLOBAL = "GRN(num_channels=4, data_format=NC...)"


def global_norm() -> pax.Module:
    """Returns a layer with channels first."""
    return pax.GRN(4, data_format="NC...")


@each(
    Bad(
        lambda: pax.LocalResponseNorm(0),
        pax.ArgumentError,
        "LocalResponseNorm got size=0; expected an integer of at least 1.",
        "set size to a positive integer.",
    ),
    Bad(
        lambda: pax.LocalResponseNorm(5, beta=0),
        pax.ArgumentError,
        "LocalResponseNorm got beta=0; expected a positive number.",
        "set beta to a positive number.",
    ),
    Bad(
        lambda: pax.LocalResponseNorm(5, data_format="NCHW"),
        pax.ArgumentError,
        "LocalResponseNorm got data_format='NCHW'; expected one of 'channels_last', "
        "'channels_first', 'N...C', 'NC...'.",
        "write data_format='channels_last'.",
    ),
    Bad(
        lambda: pax.LocalResponseNorm(5),
        pax.ShapeError,
        f"{LOCAL} got input of shape (4,); expected batch and channels.",
        "add the batch axis with x[None].",
        (np.zeros(4, np.float32),),
    ),
    Bad(
        lambda: pax.LocalResponseNorm(5),
        pax.DtypeError,
        f"{LOCAL} got input of dtype uint8; expected a floating dtype.",
        "convert the bytes of an image first: x.astype(jnp.float32) / 255.",
        (np.zeros((2, 4), np.uint8),),
    ),
    Bad(
        lambda: pax.GRN(0),
        pax.ArgumentError,
        "GRN got num_channels=0; expected an integer of at least 1.",
        "set num_channels to a positive integer.",
    ),
    Bad(
        lambda: pax.GRN(4, eps=0.0),
        pax.ArgumentError,
        "GRN got eps=0.0; expected a positive number.",
        "set eps to a positive number.",
    ),
    Bad(
        global_norm,
        pax.ShapeError,
        f"{GLOBAL} got input of shape (2, 3, 4); expected 4 channels, NC....",
        "build it with the num_channels and data_format of the input.",
        (np.zeros((2, 3, 4), np.float32),),
    ),
    Bad(
        global_norm,
        pax.ShapeError,
        f"{GLOBAL} got input of shape (2, 4), which has no space to sum over.",
        "give it an input with at least one axis beside batch and channels, not empty.",
        (np.zeros((2, 4), np.float32),),
    ),
    Bad(
        global_norm,
        pax.ShapeError,
        f"{GLOBAL} got input of shape (2, 4, 0), which has no space to sum over.",
        "give it an input with at least one axis beside batch and channels, not empty.",
        (np.zeros((2, 4, 0), np.float32),),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
