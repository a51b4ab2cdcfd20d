"""Residual networks: their parts, both data formats, edge shapes, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.contracts.case import paths
from tests.counting import count_compilations
from tests.nn.bad import Bad, each
from tests.nn.run import called

VERSIONS = pytest.mark.parametrize("resnet_v2", [False, pytest.param(True, marks=pytest.mark.slow)])


def small(**options: Any) -> Any:
    """Returns a network of three blocks; the first needs no projection."""
    shape: Any = {"bottleneck": False, "channels_per_group": (64, 8), "strides": (1, 2)}
    return pax.nets.ResNet(3, (1, 2), 5, **shape | options)


def with_logits(net: Any) -> Any:
    """Returns the network with last weights that are not zero."""
    width = net.logits.in_dim
    return net.replace(logits=pax.Linear(width, 5, rng_key=jax.random.key(1)))


def images(*shape: int) -> jax.Array:
    return jax.device_put(np.random.default_rng(shape).standard_normal(shape).astype(np.float32))


def norms(module: Any) -> list[pax.BatchNorm2D]:
    """Returns the batch norms of a tree."""
    if isinstance(module, pax.BatchNorm2D):
        return [module]
    return [norm for sub in module.submodules() for norm in norms(sub)]


def test_construction_compiles_next_to_nothing() -> None:
    key = jax.random.PRNGKey(0)
    small(rng_key=key)
    with count_compilations() as compilations:
        small(rng_key=key, channels_per_group=(12, 20))
        small(channels_per_group=(28, 44), data_format="NHWC")
    assert compilations.count <= 1


def test_parts_of_version_1() -> None:
    net = pax.nets.ResNet(3, (1, 2), 5, channels_per_group=(64, 8), strides=(1, 2))
    assert isinstance(net.block_groups, list)
    (first,), (second, third) = (group.blocks for group in net.block_groups)
    assert first.proj_conv is first.proj_batchnorm is None
    assert second.proj_conv.stride == (2, 2)
    assert isinstance(second.proj_batchnorm, pax.BatchNorm2D)
    assert third.proj_conv is None
    assert [(conv.kernel_shape, conv.stride) for conv, _ in second.layers] == [
        ((1, 1), (1, 1)),
        ((3, 3), (2, 2)),
        ((1, 1), (1, 1)),
    ]
    for _, norm in second.layers:
        assert (norm.decay_rate, norm.eps, norm.data_format) == (0.9, 1e-5, "NCHW")
    assert (net.initial_conv.kernel_shape, net.initial_conv.stride) == ((7, 7), (2, 2))
    assert net.initial_conv.padding == ((3, 3), (3, 3))
    assert net.final_batchnorm is None
    assert not np.any(net.logits.weight)


def test_parts_of_version_2() -> None:
    net: Any = small(resnet_v2=True)
    assert net.initial_batchnorm is None
    assert net.final_batchnorm.num_channels == 8
    second = net.block_groups[1].blocks[0]
    assert second.proj_conv is not None
    assert not hasattr(second, "proj_batchnorm")
    assert [(conv.stride, norm.num_channels) for conv, norm in second.layers] == [
        ((2, 2), 64),
        ((1, 1), 8),
    ]


def test_bn_config_reaches_every_norm() -> None:
    net = small(bn_config={"decay_rate": 0.5, "eps": 1e-3, "create_offset": False})
    found = norms(net)
    assert len(found) == 8
    for norm in found:
        assert (norm.decay_rate, norm.eps, norm.offset) == (0.5, 1e-3, None)
        assert norm.scale is not None


def test_projection_where_it_is_asked_for() -> None:
    first = small(use_projection=(True, True)).block_groups[0].blocks[0]
    assert first.proj_conv.weight.shape == (1, 1, 64, 64)


@VERSIONS
def test_data_formats_agree(resnet_v2: bool) -> None:
    key, x = jax.random.key(0), images(2, 3, 16, 16)
    first = with_logits(small(resnet_v2=resnet_v2, rng_key=key)).eval()
    last = with_logits(small(resnet_v2=resnet_v2, data_format="NHWC", rng_key=key)).eval()
    expected = called(first, x)
    assert np.abs(np.asarray(expected)).max() > 0.1
    found = called(last, np.moveaxis(np.asarray(x), 1, -1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_key_decides() -> None:
    pax.seed_rng_key(7)
    nets = [small(rng_key=jax.random.key(seed)) for seed in (3, 3, 4)]
    for path, x, same, other in zip(paths(nets[0]), *map(jax.tree.leaves, nets), strict=True):
        np.testing.assert_array_equal(x, same, err_msg=path)
        is_drawn = path.endswith("weight") and path != "logits.weight"
        assert np.any(np.asarray(x) != np.asarray(other)) == is_drawn, path
    drawn = pax.next_rng_key()
    pax.seed_rng_key(7)
    np.testing.assert_array_equal(drawn, pax.next_rng_key())  # nothing was taken from the stream


@VERSIONS
def test_mixed_precision_is_the_rounded_result(resnet_v2: bool) -> None:
    net, x = with_logits(small(resnet_v2=resnet_v2)).eval(), images(2, 3, 8, 8)
    found = called(net.apply(pax.experimental.default_mp_policy), x)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), called(net, x), rtol=0.05, atol=0.05)


def test_edge_shapes() -> None:
    net = with_logits(small()).eval()
    assert jax.eval_shape(net, images(0, 3, 8, 8)).shape == (0, 5)
    assert jax.eval_shape(net, images(1, 3, 33, 5)).shape == (1, 5)
    assert jnp.isfinite(called(net, images(1, 3, 1, 1))).all()


SIZE = "set {} to a positive integer."
GROUPS = "give {} 2 entries."


@pytest.mark.usefixtures("unchecked")
@each(
    Bad(
        lambda: pax.nets.ResNet18(0, 10),
        pax.ArgumentError,
        "ResNet18 got input_channels=0; expected an integer of at least 1.",
        SIZE.format("input_channels"),
    ),
    Bad(
        lambda: pax.nets.ResNet(3, (1,), True, channels_per_group=(8,), strides=(1,)),
        pax.ArgumentError,
        "ResNet got num_classes=True; expected an integer of at least 1.",
        SIZE.format("num_classes"),
    ),
    Bad(
        lambda: pax.nets.ResNet50(3, 10, None, "v2"),
        pax.ArgumentError,
        "ResNet50 got resnet_v2 of type str; expected True or False.",
        "write resnet_v2=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.nets.ResNet50(3, 10, data_format="NCWH"),
        pax.ArgumentError,
        "ResNet50 got data_format='NCWH'; expected one of 'NCHW', 'NHWC'.",
        "write data_format='NCHW'.",
    ),
    Bad(
        lambda: pax.nets.ResNet(3, 18, 10),
        pax.ArgumentError,
        "ResNet got blocks_per_group=18; expected a sequence of positive integers.",
        "write one for each group, e.g. blocks_per_group=(2, 2, 2, 2).",
    ),
    Bad(
        lambda: small(strides=(1, 0)),
        pax.ArgumentError,
        "ResNet got strides=(1, 0); expected a sequence of positive integers.",
        "write one for each group, e.g. strides=(2, 2).",
    ),
    Bad(
        lambda: pax.nets.ResNet(3, (1, 1), 10),
        pax.ArgumentError,
        "ResNet got channels_per_group=(256, 512, 1024, 2048) of length 4, and blocks_per_group of "
        "length 2; expected one for each group.",
        GROUPS.format("channels_per_group"),
    ),
    Bad(
        lambda: small(strides=(1, 2, 2)),
        pax.ArgumentError,
        "ResNet got strides=(1, 2, 2) of length 3, and blocks_per_group of length 2; expected one "
        "for each group.",
        GROUPS.format("strides"),
    ),
    Bad(
        lambda: small(use_projection=[True]),
        pax.ArgumentError,
        "ResNet got use_projection=[True] of length 1, and blocks_per_group of length 2; expected "
        "one for each group.",
        GROUPS.format("use_projection"),
    ),
    Bad(
        lambda: small(use_projection=(0, 1)),
        pax.ArgumentError,
        "ResNet got use_projection[0] of type int; expected True or False.",
        "write use_projection[0]=True, and name the arguments after it.",
    ),
    Bad(
        lambda: small(use_projection=(False, False)),
        pax.ArgumentError,
        "ResNet got use_projection[1]=False for a group from 64 to 8 channels with stride 2.",
        "project where a group changes the shape; use_projection=None does.",
    ),
    Bad(
        lambda: small(bottleneck=True, channels_per_group=(64, 10)),
        pax.ArgumentError,
        "ResNet got channels_per_group=(64, 10); a bottleneck block has a quarter of its channels "
        "inside.",
        "choose multiples of 4, or bottleneck=False.",
    ),
    Bad(
        lambda: small(bn_config={"momentum": 0.1, "eps": 1e-3, "data_format": "NCHW"}),
        pax.ArgumentError,
        "ResNet got 'momentum', 'data_format' in bn_config; expected create_scale, create_offset, "
        "decay_rate, eps.",
        "write bn_config={'decay_rate': 0.9}; the network sets the rest.",
    ),
)
def test_bad_input(bad: Bad) -> None:
    bad.check()


FIRST = (
    "Conv2D(in_features=3, out_features=64, kernel_shape=(7, 7), stride=(2, 2), "
    "padding=((3, 3), (3, 3)), with_bias=False, data_format=NCHW)"
)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("x", "kind", "found", "fix"),
    [
        (
            np.zeros((2, 8, 8, 3), np.float32),
            pax.ShapeError,
            "got input of shape (2, 8, 8, 3): 8 channels in NCHW; expected 3.",
            "build the layer with in_features=8, or with the data_format of the input.",
        ),
        (
            np.zeros((3, 8, 8), np.float32),
            pax.ShapeError,
            "got input of shape (3, 8, 8); expected NCHW, (N, 3, H, W).",
            "add the batch axis with x[None].",
        ),
        (
            np.zeros((2, 3, 8, 8), np.uint8),
            pax.DtypeError,
            "got input of dtype uint8; expected a floating dtype.",
            "convert the bytes of an image first: x.astype(jnp.float32) / 255.",
        ),
    ],
    ids=["data format", "no batch", "bytes"],
)
def test_the_first_layer_refuses(x: Any, kind: Any, found: str, fix: str) -> None:
    with pytest.raises(kind) as raised:
        small()(x)
    assert str(raised.value) == f"{FIRST} {found}\n  at: model.initial_conv\n  fix: {fix}"


def test_parts_can_be_replaced() -> None:
    conv = pax.Conv2D(1, 64, 3, with_bias=False, data_format="NCHW")
    net = small().replace(initial_conv=conv, logits=pax.Linear(8, 2)).eval()
    assert called(net, images(2, 1, 8, 8)).shape == (2, 2)
