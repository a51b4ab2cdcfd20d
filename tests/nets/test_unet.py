"""The U-Net: what is told to it, what starts at zero, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax.nets.unet_blocks import Attention, Block, Parts
from tests.contracts.case import cast
from tests.nn.bad import Bad, each
from tests.nn.run import called, trained

BASE, TOLD = 4, 16


def small(**options: Any) -> Any:
    sizes = {"base_channels": BASE, "channel_multipliers": (1, 2), "groups": 2}
    return pax.nets.UNet(3, **sizes | {"blocks_per_level": 1, "attention_levels": ()} | options)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


X, TIME = random(2, 3, 4, 6), np.array([10.0, 500.0], np.float32)


def with_head(net: Any) -> Any:
    """Returns the network with a last layer that shows something."""
    return net.replace(head=pax.Conv2D(BASE, 3, 3, rng_key=jax.random.key(1)))


@pytest.mark.slow
def test_the_sizes_of_the_paper() -> None:
    net = jax.eval_shape(lambda key: pax.nets.UNet(3, rng_key=key), jax.random.key(0))
    levels = [[block.conv1.out_features for block in level.blocks] for level in net.down]
    assert levels == [[128] * 2, *[[256] * 2] * 3]
    before = [[block.conv1.in_features for block in level.blocks] for level in net.up]
    assert before == [[512] * 3, [512] * 3, [512, 512, 384], [384, 256, 256]]
    for levels, attends in ((net.down, [False, True, False, False]), (net.up[::-1], [0, 1, 0, 0])):
        for level, attend in zip(levels, attends, strict=True):
            assert {block.attention is not None for block in level.blocks} == {bool(attend)}
    assert [block.attention is not None for block in net.middle] == [True, False]
    assert sum(x.size for x in jax.tree.leaves(net.parameters())) == 35_746_307


def test_blocks_and_attention_start_as_the_identity() -> None:
    parts = Parts(2, TOLD, iter([None] * 20))
    block, x = Block(BASE, BASE, True, parts), random(2, 3, 5, BASE)
    assert isinstance(block.attention, Attention)
    found = jax.jit(lambda block: block(jnp.asarray(x), jnp.asarray(random(2, TOLD)), lambda y: y))(
        block
    )
    np.testing.assert_array_equal(found, x)


@pytest.mark.slow
def test_a_new_network_gives_zeros() -> None:
    np.testing.assert_array_equal(called(small(), X, TIME), np.zeros_like(X))


@pytest.mark.slow
def test_each_image_is_told_its_own_time() -> None:
    net = with_head(small())
    net = net.map(lambda x: x if np.any(x) else jnp.asarray(random(*x.shape)))
    first = called(net, X, TIME)
    second = called(net, X, np.array([10.0, 501.0], np.float32))
    np.testing.assert_allclose(first[0], second[0], rtol=1e-5, atol=1e-5)
    assert np.abs(np.asarray(first[1] - second[1])).max() > 1e-3
    integers = called(net, X, TIME.astype(np.int32))
    np.testing.assert_allclose(integers, first, rtol=1e-5, atol=1e-5)


def test_a_condition_is_added_to_the_vector_of_the_time() -> None:
    net = small()
    told = net._told(2, TIME, None, jnp.float32)
    shifted = net._told(2, TIME, random(2, TOLD), jnp.float32)
    assert told.shape == shifted.shape == (2, TOLD)
    waves = TIME[:, None] * np.array([1.0, 1e-4])
    waves = np.concatenate([np.sin(waves), np.cos(waves)], axis=1).astype(np.float32)
    vector = np.asarray(net.time_mlp(waves))
    np.testing.assert_allclose(told, jax.nn.silu(vector), rtol=1e-4, atol=1e-4)
    expected = jax.nn.silu(vector + random(2, TOLD))
    np.testing.assert_allclose(shifted, expected, rtol=1e-4, atol=1e-4)


def test_times_are_embedded_in_float32_at_least() -> None:
    net = cast(small(), jnp.bfloat16)
    found = net._told(2, np.array([999, 1000]), None, jnp.bfloat16)  # one number in bfloat16
    assert np.any(found[0] != found[1])


@pytest.mark.slow
def test_dropout_takes_its_keys_from_rng_seq() -> None:
    net = with_head(small(dropout_rate=0.5))
    net = net.map(lambda x: x if np.any(x) else jnp.asarray(random(*x.shape)))
    after, first = trained(net, X, TIME)
    _, second = trained(after, X, TIME)
    assert np.any(np.asarray(first) != np.asarray(second))
    np.testing.assert_array_equal(trained(net, X, TIME)[1], first)


def test_without_dropout_no_pure_is_needed() -> None:
    assert jax.eval_shape(small(), X, TIME).shape == X.shape


@pytest.mark.slow
def test_sizes() -> None:
    net = small(channel_multipliers=(1, 1, 2), attention_levels=(0, 2), blocks_per_level=2)
    assert jax.eval_shape(net, random(1, 3, 4, 12), TIME[:1]).shape == (1, 3, 4, 12)
    assert jax.eval_shape(net, random(0, 3, 4, 4), TIME[:0]).shape == (0, 3, 4, 4)


UNET = (
    "UNet(input_channels=3, output_channels=3, base_channels=4, channel_multipliers=(1, 2), "
    "data_format=NCHW)"
)


@pytest.mark.usefixtures("unchecked")
@each(
    Bad(
        lambda: small(base_channels=5, groups=1),
        pax.ArgumentError,
        "UNet got base_channels=5; expected an even number of at least 4, half for the sines and "
        "half for the cosines of the time.",
        "write base_channels=32.",
    ),
    Bad(
        lambda: small(groups=3),
        pax.ArgumentError,
        "UNet got groups=3, which does not divide base_channels=4.",
        "choose a number of groups that divides base_channels.",
    ),
    Bad(
        lambda: small(attention_levels=(2,)),
        pax.ArgumentError,
        "UNet got attention_levels=(2,); expected a sequence of integers from 0 to 1.",
        "count the levels from 0, the largest size; () for none.",
    ),
    Bad(
        lambda: small(attention_levels=1),
        pax.ArgumentError,
        "UNet got attention_levels=1; expected a sequence of integers from 0 to 1.",
        "count the levels from 0, the largest size; () for none.",
    ),
    Bad(
        lambda: small(channel_multipliers=()),
        pax.ArgumentError,
        "UNet got channel_multipliers=(); expected a sequence of positive integers.",
        "write one for each group, e.g. channel_multipliers=(2, 2, 2, 2).",
    ),
    Bad(
        small,
        pax.ShapeError,
        f"{UNET} got images of shape (2, 3, 4, 5): height and width (4, 5) in NCHW; expected "
        "multiples of 2.",
        "pad or resize the images, or build the network with their data_format.",
        (random(2, 3, 4, 5), TIME),
    ),
    Bad(
        small,
        pax.ShapeError,
        f"{UNET} got time of shape () with 2 images; expected (2,).",
        "give one time for each image: jnp.full(len(x), time).",
        (X, np.float32(3)),
    ),
    Bad(
        small,
        pax.ShapeError,
        f"{UNET} got condition of shape (2,); expected (2, 16).",
        "make vectors of it first: pax.Embed(num_classes, 16)(labels).",
        (X, TIME, np.zeros(2, np.float32)),
    ),
)
def test_bad_input(bad: Bad) -> None:
    bad.check()
