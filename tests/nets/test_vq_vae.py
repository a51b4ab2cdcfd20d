"""The vector quantizer by hand; the autoencoder around it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called, trained

COUNTS = np.array([2.0, 1.0, 4.0], np.float32)
VECTORS = np.array([[0.0, 0.0], [1.0, 3.0], [-2.0, 1.0]], np.float32)
X = np.array([[0.9, 2.0], [0.1, 0.2], [1.2, 3.1]], np.float32)  # near vectors 1, 0, 1


def quantizer(decay: float = 0.75) -> Any:
    net = pax.nets.VectorQuantizer(3, 2, decay_rate=decay)
    state = {"counts": COUNTS, "sums": COUNTS[:, None] * VECTORS}
    return net.replace(averages=pax.EMA(state, decay))


def small(**options: Any) -> pax.nets.VQVAE:
    sizes = {"num_codes": 4, "code_dim": 3, "hidden_channels": 4, "residual_channels": 2}
    return pax.nets.VQVAE(2, **sizes | options)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def test_the_nearest_vectors_by_hand() -> None:
    net = quantizer().eval()
    np.testing.assert_allclose(net.codebook, VECTORS, rtol=1e-4, atol=1e-4)
    y, codes, loss = called(net, X)
    np.testing.assert_array_equal(codes, [1, 0, 1])
    assert codes.dtype == jnp.int32
    np.testing.assert_allclose(y, VECTORS[[1, 0, 1]], rtol=1e-4, atol=1e-4)
    # the counts are smoothed, N -> (N + s) / (T + K s) T, which moves each vector a little
    smoothed = (COUNTS + 1e-5) / (7 + 3e-5) * 7.0
    moved = VECTORS.astype(np.float64) * (COUNTS / smoothed)[:, None]
    np.testing.assert_allclose(loss, ((X - moved[[1, 0, 1]]) ** 2).mean(1), rtol=2e-6)
    np.testing.assert_array_equal(net.nearest(X[None]), [[1, 0, 1]])


def test_the_codebook_follows_its_inputs() -> None:
    net, (y, *_) = trained(quantizer(), X)
    np.testing.assert_allclose(y, VECTORS[[1, 0, 1]], rtol=1e-4, atol=1e-4)  # of before
    kept = net.averages.averages
    np.testing.assert_allclose(kept["counts"], [1.75, 1.25, 3.0])
    sums = 0.75 * COUNTS[:, None] * VECTORS + 0.25 * np.array([X[1], X[0] + X[2], [0, 0]])
    np.testing.assert_allclose(kept["sums"], sums, rtol=1e-6)
    expected = sums / np.array([[1.75], [1.25], [3.0]])
    np.testing.assert_allclose(net.codebook, expected, rtol=1e-4, atol=1e-4)


def test_in_the_end_the_codebook_is_the_mean_of_its_inputs() -> None:
    @jax.jit
    def many(net: Any) -> Any:
        return pax.scan(lambda net, _: pax.purecall(net, X), net, None, length=200)[0]

    net = many(quantizer(0.9))
    expected = np.array([X[1], (X[0] + X[2]) / 2])
    np.testing.assert_allclose(net.codebook[:2], expected, rtol=1e-3, atol=1e-3)
    assert np.isfinite(np.asarray(net.codebook)).all()  # vector 2 was never chosen


def test_a_new_codebook_is_what_was_drawn() -> None:
    net = pax.nets.VectorQuantizer(512, 4)
    np.testing.assert_allclose(net.codebook, net.averages.averages["sums"], rtol=1e-5)
    assert abs(float(np.std(net.codebook)) - 0.5 * 0.88) < 0.02  # 0.88: cut at two deviations


def test_the_gradient_goes_straight_through() -> None:
    net, weights = quantizer().eval(), np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    found = jax.grad(lambda x: (net(x)[0] * weights).sum())(X)
    np.testing.assert_array_equal(found, weights)
    found = jax.grad(lambda x: net(x)[2].sum())(X)
    np.testing.assert_allclose(found, X - VECTORS[[1, 0, 1]], rtol=1e-3, atol=1e-3)
    moved = jax.grad(lambda net: sum(y.sum() for y in net(X)[::2]))(net)  # state and all
    assert not any(np.any(g) for g in jax.tree.leaves(moved))


def test_what_is_quantized_is_in_the_codebook_to_the_last_bit() -> None:
    net = quantizer().eval()
    y, codes, _ = called(net, images(20, 2))
    np.testing.assert_array_equal(y, np.asarray(jax.jit(lambda net: net.codebook)(net))[codes])


def test_half_precision_keeps_its_averages_in_float32() -> None:
    net, (y, _, loss) = trained(quantizer(), X.astype(jnp.bfloat16))
    assert (y.dtype, loss.dtype) == (jnp.bfloat16, jnp.bfloat16)
    assert {x.dtype for x in jax.tree.leaves(net)} == {jnp.dtype(jnp.float32)}
    np.testing.assert_allclose(net.averages.averages["counts"], [1.75, 1.25, 3.0])


def test_encode_and_decode_are_the_halves_of_a_call() -> None:
    net, x = small().eval(), images(2, 2, 8, 12)
    y, codes, _ = called(net, x)
    assert codes.shape == (2, 2, 3)
    assert len(set(codes.ravel().tolist())) > 1
    np.testing.assert_array_equal(jax.jit(lambda net: net.encode(x))(net), codes)
    decoded = jax.jit(lambda net: net.decode(codes))(net)
    np.testing.assert_allclose(decoded, y, rtol=1e-5, atol=1e-5)
    jax.eval_shape(lambda net: net.encode(x), net.train())  # needs no pax.pure


def test_edge_shapes() -> None:
    net = small(num_blocks=0).eval()
    y, codes, _ = jax.eval_shape(net, images(0, 2, 4, 8))
    assert (y.shape, codes.shape) == ((0, 2, 4, 8), (0, 1, 2))
    y, codes, loss = jax.eval_shape(quantizer().eval(), images(2))  # one vector
    assert (y.shape, codes.shape, loss.shape) == ((2,), (), ())


VQ = "VectorQuantizer(num_codes=3, code_dim=2)"
IMAGES = "VQVAE(input_channels=2, num_codes=4, code_dim=3, data_format=NCHW)"


@pytest.mark.usefixtures("unchecked")
@each(
    Bad(
        lambda: pax.nets.VectorQuantizer(0, 4),
        pax.ArgumentError,
        "VectorQuantizer got num_codes=0; expected an integer of at least 1.",
        "set num_codes to a positive integer.",
    ),
    Bad(
        lambda: pax.nets.VectorQuantizer(4, 4, decay_rate=1.0),
        pax.ArgumentError,
        "VectorQuantizer got decay_rate=1.0; expected a number in [0, 1).",
        "write decay_rate=0.9.",
    ),
    Bad(
        lambda: small(num_blocks=-1),
        pax.ArgumentError,
        "VQVAE got num_blocks=-1; expected an integer of at least 0.",
        "write num_blocks=1.",
    ),
    Bad(
        lambda: small(residual_channels=0),
        pax.ArgumentError,
        "VQVAE got residual_channels=0; expected an integer of at least 1.",
        "set residual_channels to a positive integer.",
    ),
    Bad(
        quantizer,
        pax.ShapeError,
        f"{VQ} got input of shape (2, 3); expected (..., 2).",
        "put the vectors on the last axis, with code_dim the size of one.",
        (np.zeros((2, 3), np.float32),),
    ),
    Bad(
        quantizer,
        pax.DtypeError,
        f"{VQ} got input of dtype int32; expected a floating dtype.",
        "give it the output of an encoder; codes become vectors by pax.functional.embed.",
        (np.zeros((2, 2), np.int32),),
    ),
    Bad(
        small,
        pax.ShapeError,
        f"{IMAGES} got images of shape (1, 2, 8, 6): height and width (8, 6) in NCHW; expected "
        "multiples of 4.",
        "pad or resize the images, or build the network with their data_format.",
        (np.zeros((1, 2, 8, 6), np.float32),),
    ),
)
def test_bad_input(bad: Bad) -> None:
    bad.check()
