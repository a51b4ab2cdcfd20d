"""The networks of a DCGAN: their parts, edge shapes, errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

Z = 5


def generator(**options: Any) -> pax.nets.DCGANGenerator:
    return pax.nets.DCGANGenerator(Z, 3, **{"image_size": 16, "base_channels": 2} | options)


def discriminator(**options: Any) -> pax.nets.DCGANDiscriminator:
    return pax.nets.DCGANDiscriminator(3, **{"image_size": 16, "base_channels": 2} | options)


def test_the_sizes_of_the_paper() -> None:
    net = jax.eval_shape(
        lambda key: pax.nets.DCGANGenerator(100, 3, rng_key=key), jax.random.key(0)
    )
    assert net.project.weight.shape == (100, 4 * 4 * 1024)
    sizes = [(conv.in_features, conv.out_features) for conv in net.convs]
    assert sizes == [(1024, 512), (512, 256), (256, 128), (128, 3)]
    net = jax.eval_shape(lambda key: pax.nets.DCGANDiscriminator(3, rng_key=key), jax.random.key(0))
    sizes = [(conv.in_features, conv.out_features) for conv in net.convs]
    assert sizes == [(3, 128), (128, 256), (256, 512), (512, 1024)]
    assert [norm.num_channels for norm in net.norms] == [256, 512, 1024]


@pytest.mark.parametrize("make", [generator, discriminator])
def test_weights_start_with_deviation_002(make: Any) -> None:
    net = make(base_channels=32)
    weights = [layer.weight for layer in net.convs]
    together = np.concatenate([np.ravel(w) for w in weights])
    assert abs(together.std() - 0.02) < 0.001


def test_sizes() -> None:
    x = np.zeros((0, Z), np.float32)
    assert jax.eval_shape(generator().eval(), x).shape == (0, 3, 16, 16)
    last = generator(data_format="NHWC", image_size=8).eval()
    assert jax.eval_shape(last, x).shape == (0, 8, 8, 3)
    images = np.zeros((0, 3, 16, 16), np.float32)
    assert jax.eval_shape(discriminator().eval(), images).shape == (0,)


SIZE = "resize the images to 32 or 64, and write image_size=64."


@pytest.mark.usefixtures("unchecked")
@each(
    Bad(
        lambda: generator(image_size=48),
        pax.ArgumentError,
        "DCGANGenerator got image_size=48; expected 4 times a power of 2, of at least 8.",
        SIZE,
    ),
    Bad(
        lambda: discriminator(image_size=4),
        pax.ArgumentError,
        "DCGANDiscriminator got image_size=4; expected 4 times a power of 2, of at least 8.",
        SIZE,
    ),
    Bad(
        lambda: pax.nets.DCGANGenerator(0, 3),
        pax.ArgumentError,
        "DCGANGenerator got latent_dim=0; expected an integer of at least 1.",
        "set latent_dim to a positive integer.",
    ),
    Bad(
        lambda: discriminator(base_channels=0.5),
        pax.ArgumentError,
        "DCGANDiscriminator got base_channels=0.5; expected an integer of at least 1.",
        "set base_channels to a positive integer.",
    ),
    Bad(
        lambda: generator(data_format="HWC"),
        pax.ArgumentError,
        "DCGANGenerator got data_format='HWC'; expected one of 'NCHW', 'NHWC'.",
        "write data_format='NCHW'.",
    ),
    Bad(
        generator,
        pax.ShapeError,
        "DCGANGenerator(latent_dim=5, output_channels=3, image_size=16, data_format=NCHW) got "
        "input of shape (2, 5, 1, 1); expected (B, 5).",
        "draw one vector for each image: jax.random.normal(rng_key, (B, 5)).",
        (np.zeros((2, Z, 1, 1), np.float32),),
    ),
    Bad(
        discriminator,
        pax.ShapeError,
        "DCGANDiscriminator(input_channels=3, image_size=16, data_format=NCHW) got images of "
        "shape (2, 3, 16, 8): height and width (16, 8) in NCHW; expected (16, 16).",
        "resize the images, or build the network with their image_size and data_format.",
        (np.zeros((2, 3, 16, 8), np.float32),),
    ),
)
def test_bad_input(bad: Bad) -> None:
    bad.check()


@pytest.mark.usefixtures("unchecked")
def test_the_first_layer_refuses() -> None:
    with pytest.raises(pax.ShapeError, match="add the batch axis") as raised:
        discriminator()(np.zeros((3, 16, 16), np.float32))
    assert raised.value.path == "model.convs.0"
    with pytest.raises(pax.ShapeError, match=r"expected \(\.\.\., 5\)") as raised:
        generator()(np.zeros((2, 3), np.float32))
    assert raised.value.path == "model.project"
