"""ConvNeXt: its parts, what it drops, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax.functional as F
from pax.nets import dropping
from tests.nn.bad import Bad, each
from tests.nn.run import trained


def small(**options: Any) -> pax.nets.ConvNeXt:
    sizes = {"blocks_per_group": (1, 2), "channels_per_group": (4, 6)}
    return pax.nets.ConvNeXt(3, 5, **sizes | options)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def test_parts() -> None:
    net = small()
    assert (net.stem.kernel_shape, net.stem.stride) == ((4, 4), (4, 4))
    first, second = net.groups
    assert first.downsample is first.downsample_norm is None
    assert (second.downsample.kernel_shape, second.downsample.stride) == ((2, 2), (2, 2))
    assert second.downsample_norm.num_channels == 4
    block = second.blocks[1]
    assert (block.conv.kernel_shape, block.conv.feature_group_count) == ((7, 7), 6)
    assert block.mlp.dims == (6, 24, 6)
    np.testing.assert_array_equal(block.scale, np.full(6, 1e-6, np.float32))
    norms = [net.stem_norm, net.norm, second.downsample_norm, block.norm]
    assert {norm.eps for norm in norms} == {1e-6}


def test_weights_start_with_deviation_002() -> None:
    net = small(channels_per_group=(32, 64))
    layers = [net.stem, net.groups[1].downsample, *net.groups[1].blocks[0].mlp.layers, net.logits]
    for layer in layers:
        weight = np.asarray(layer.weight)
        assert abs(weight.std() - 0.02 * 0.88) < 0.002  # 0.88: cut at two deviations
        assert np.abs(weight).max() <= 0.04
        assert not np.any(layer.bias)


def test_rates_grow_from_block_to_block(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def noting(rng_seq: Any, drops: Any, *, training: bool) -> Any:
        seen.extend(drops)
        return [lambda x: x for _ in drops]

    monkeypatch.setattr(dropping, "functions", noting)
    jax.eval_shape(small(drop_path_rate=0.4), jnp.zeros((1, 3, 8, 8)))
    assert seen == [(F.drop_path, 0.0), (F.drop_path, 0.2), (F.drop_path, 0.4)]


@pytest.mark.slow
def test_an_image_may_skip_a_block() -> None:
    net, x = small(drop_path_rate=0.5), images(16, 3, 8, 8)
    net = net.map(lambda x: x + 1 if x.shape in ((4,), (6,)) else x)  # the scales, and more
    after, first = trained(net, x)
    _, second = trained(after, x)
    assert np.any(np.asarray(first) != np.asarray(second))
    still = small(drop_path_rate=0.0)
    jax.eval_shape(still, x)  # needs no pax.pure


@pytest.mark.usefixtures("unchecked")
@each(
    Bad(
        lambda: pax.nets.ConvNeXt(3, 0),
        pax.ArgumentError,
        "ConvNeXt got num_classes=0; expected an integer of at least 1.",
        "set num_classes to a positive integer.",
    ),
    Bad(
        lambda: small(channels_per_group=(4, 6, 8)),
        pax.ArgumentError,
        "ConvNeXt got channels_per_group=(4, 6, 8) of length 3, and blocks_per_group of length 2; "
        "expected one for each group.",
        "give channels_per_group 2 entries.",
    ),
    Bad(
        lambda: small(blocks_per_group=(1, 0)),
        pax.ArgumentError,
        "ConvNeXt got blocks_per_group=(1, 0); expected a sequence of positive integers.",
        "write one for each group, e.g. blocks_per_group=(2, 2, 2, 2).",
    ),
    Bad(
        lambda: small(drop_path_rate=-0.1),
        pax.ArgumentError,
        "ConvNeXt got drop_path_rate=-0.1; expected a number in [0, 1).",
        "write drop_path_rate=0.1.",
    ),
)
def test_bad_input(bad: Bad) -> None:
    bad.check()


@pytest.mark.usefixtures("unchecked")
def test_a_small_image_is_refused_where_it_vanishes() -> None:
    with pytest.raises(pax.ShapeError, match="a window of 2 does not fit an axis of 1") as raised:
        small().eval()(images(1, 3, 4, 8))
    assert raised.value.path == "model.groups.1.downsample"
