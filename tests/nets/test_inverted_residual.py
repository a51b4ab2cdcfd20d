"""MobileNetV2 and EfficientNet: their parts, what they drop, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax.functional as F
from pax.nets import dropping
from pax.nets.inverted_residual import rounded
from tests.nn.bad import Bad, each
from tests.nn.run import trained

STAGES = ((1, 32, 2, 1), (2, 32, 1, 2, 5))


def mobile(**options: Any) -> pax.nets.MobileNetV2:
    return pax.nets.MobileNetV2(3, 5, **{"width": 0.25, "stages": STAGES} | options)


def efficient(**options: Any) -> pax.nets.EfficientNet:
    return pax.nets.EfficientNet(3, 5, **{"width": 0.25, "stages": STAGES} | options)


def test_channels_are_multiples_of_8_and_lose_a_tenth_at_most() -> None:
    of_each = {1: 8, 8: 8, 11.9: 16, 12: 16, 20: 24, 26.4: 24, 27: 32, 35.2: 32, 36: 40, 100: 104}
    assert {channels: rounded(channels) for channels in of_each} == of_each


@pytest.mark.slow
def test_parts_of_mobilenet_v2() -> None:
    make = lambda key: pax.nets.MobileNetV2(3, 1000, rng_key=key)  # noqa: E731
    net = jax.eval_shape(make, jax.random.key(0))
    assert len(net.blocks) == 17
    assert net.blocks[0].expand is None
    channels = [block.project.conv.out_features for block in net.blocks]
    assert channels == [16, 24, 24, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320]
    inside = [block.depthwise.conv.feature_group_count for block in net.blocks]
    assert inside == [
        32,
        *(6 * c for c in [16, 24, 24, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3]),
    ]
    strided = [i for i, b in enumerate(net.blocks) if b.depthwise.conv.stride == (2, 2)]
    assert strided == [1, 3, 6, 13]
    plain = [i for i, block in enumerate(net.blocks) if not block.is_residual]
    assert plain == [0, 1, 3, 6, 10, 13, 16]
    assert net.head.conv.out_features == 1280
    assert all(block.squeeze is None for block in net.blocks)
    assert pax.nets.MobileNetV2(3, 5, width=1.4, stages=STAGES).head.conv.out_features == 1792
    assert mobile().head.conv.out_features == 1280


@pytest.mark.slow
def test_parts_of_efficientnet() -> None:
    make = lambda key: pax.nets.EfficientNet(3, 1000, depth=1.1, rng_key=key)  # noqa: E731
    net = jax.eval_shape(make, jax.random.key(0))
    assert len(net.blocks) == 23  # B1
    assert {b.depthwise.conv.kernel_shape for b in net.blocks} == {(3, 3), (5, 5)}
    for block in net.blocks[2:]:
        before, inside = block.expand.conv.in_features, block.expand.conv.out_features
        assert (block.squeeze.fc1.in_dim, block.squeeze.fc1.out_dim) == (inside, before // 4)


def test_bn_config_reaches_every_norm() -> None:
    net = efficient(bn_config={"eps": 1e-3, "decay_rate": 0.99})
    norms = [net.stem.norm, net.head.norm]
    for block in net.blocks:
        parts = [block.expand, block.depthwise, block.project]
        norms += [part.norm for part in parts if part is not None]
    assert len(norms) == 9
    assert {(norm.eps, norm.decay_rate) for norm in norms} == {(1e-3, 0.99)}


def test_rates_grow_from_block_to_block(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def noting(rng_seq: Any, drops: Any, *, training: bool) -> Any:
        seen.extend(drops)
        return [lambda x: x for _ in drops]

    monkeypatch.setattr(dropping, "functions", noting)
    net = efficient(drop_path_rate=0.3, dropout_rate=0.4).eval()
    jax.eval_shape(net, jnp.zeros((1, 3, 8, 8)))
    functions, rates = zip(*seen, strict=True)
    assert functions == (F.drop_path, F.drop_path, F.drop_path, F.dropout)
    np.testing.assert_allclose(rates, [0.0, 0.1, 0.2, 0.4])


def test_drops_have_keys_of_their_own() -> None:
    def call(rng_seq: pax.RngSeq, x: Any) -> Any:
        drops = [(F.dropout, 0.5), (F.dropout, 0.5), (F.drop_path, 0.5)]
        functions = dropping.functions(rng_seq, drops, training=True)
        return rng_seq, [function(x) for function in functions]

    x = np.ones((64, 8), np.float32)
    before = pax.RngSeq(seed=1)
    after, (first, second, paths) = jax.jit(pax.pure(call))(before, x)
    assert np.any(np.asarray(first) != np.asarray(second))
    for y in (first, second, paths):
        assert set(np.unique(y)) == {0.0, 2.0}
    assert (np.ptp(np.asarray(paths), axis=1) == 0).all()
    _, (again, *_) = jax.jit(pax.pure(call))(after, x)
    assert np.any(np.asarray(first) != np.asarray(again))


@pytest.mark.parametrize("training", [False, True])
def test_nothing_to_drop_takes_no_key(training: bool) -> None:
    rate = 0.0 if training else 0.5
    rng_seq, x = pax.RngSeq(seed=1), jnp.ones(3)
    (function,) = dropping.functions(rng_seq, [(F.dropout, rate)], training=training)
    assert function(x) is x  # and there was no pax.pure


@pytest.mark.slow
def test_an_image_may_skip_a_block() -> None:
    net = efficient(dropout_rate=0.0, drop_path_rate=0.9)
    x = np.random.default_rng(0).standard_normal((32, 3, 8, 8)).astype(np.float32)
    after, first = trained(net, x)
    _, second = trained(after, x)
    assert np.any(np.asarray(first) != np.asarray(second))
    still = efficient(dropout_rate=0.0, drop_path_rate=0.0)
    after, _ = trained(still, x)
    np.testing.assert_array_equal(after.rng_seq._rng_key, still.rng_seq._rng_key)


@pytest.mark.usefixtures("unchecked")
@each(
    Bad(
        lambda: mobile(stages=[(1, 16, 1)]),
        pax.ArgumentError,
        "MobileNetV2 got stages=[(1, 16, 1)]; expected tuples of positive integers (expansion, "
        "channels, num_blocks, stride, kernel).",
        "write e.g. stages=[(1, 16, 1, 1, 3), (6, 24, 2, 2, 3)].",
    ),
    Bad(
        lambda: efficient(stages=()),
        pax.ArgumentError,
        "EfficientNet got stages=(); expected tuples of positive integers (expansion, channels, "
        "num_blocks, stride, kernel).",
        "write e.g. stages=[(1, 16, 1, 1, 3), (6, 24, 2, 2, 3)].",
    ),
    Bad(
        lambda: mobile(width=0),
        pax.ArgumentError,
        "MobileNetV2 got width=0; expected a positive number.",
        "set width to a positive number.",
    ),
    Bad(
        lambda: efficient(depth=-1.0),
        pax.ArgumentError,
        "EfficientNet got depth=-1.0; expected a positive number.",
        "set depth to a positive number.",
    ),
    Bad(
        lambda: efficient(drop_path_rate=1.0),
        pax.ArgumentError,
        "EfficientNet got drop_path_rate=1.0; expected a number in [0, 1).",
        "write drop_path_rate=0.1.",
    ),
    Bad(
        lambda: mobile(bn_config={"momentum": 0.1}),
        pax.ArgumentError,
        "MobileNetV2 got 'momentum' in bn_config; expected create_scale, create_offset, "
        "decay_rate, eps.",
        "write bn_config={'decay_rate': 0.9}; the network sets the rest.",
    ),
    Bad(
        lambda: mobile(data_format="NCW"),
        pax.ArgumentError,
        "MobileNetV2 got data_format='NCW'; expected one of 'NCHW', 'NHWC'.",
        "write data_format='NCHW'.",
    ),
)
def test_bad_input(bad: Bad) -> None:
    bad.check()
