"""Parity of the residual networks: outputs, and every array after steps of training."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import pax
from tests.contracts.case import paths
from tests.nn.run import called
from tests.optimization import optimization
from tests.parity import torch_resnet
from tests.parity.compare import normal

CHANNELS, CLASSES = 3, 5
BASIC, BOTTLENECK = (64, 128, 256, 512), (256, 512, 1024, 2048)
SIZES = {
    18: ((2, 2, 2, 2), BASIC, False),
    50: ((3, 4, 6, 3), BOTTLENECK, True),
}
MOMENTUM = 0.9
#: Learning rates. The first gradients of the deep network are in the thousands: at a higher rate
#: its steps are chaotic, and rounding errors grow a hundredfold at each.
RATES = {18: 1e-4, 50: 1e-6}


def small(v2: bool, bottleneck: bool, data_format: str) -> tuple[Any, torch_resnet.ResNet]:
    """Returns a network of two blocks, the second projected, in pax and in torch."""
    channels = (64, 24)
    ours = pax.nets.ResNet(
        CHANNELS,
        (1, 1),
        CLASSES,
        None,
        v2,
        bottleneck,
        channels,
        strides=(1, 2),
        data_format=data_format,
    )
    theirs = torch_resnet.ResNet(CHANNELS, (1, 1), CLASSES, channels, v2=v2, bottleneck=bottleneck)
    return ours, theirs


def sized(size: int, v2: bool) -> tuple[Any, torch_resnet.ResNet]:
    """Returns a network of a published size, in pax and in torch."""
    blocks, channels, bottleneck = SIZES[size]
    ours = getattr(pax.nets, f"ResNet{size}")(CHANNELS, CLASSES, resnet_v2=v2)
    theirs = torch_resnet.ResNet(CHANNELS, blocks, CLASSES, channels, v2=v2, bottleneck=bottleneck)
    return ours, theirs


def randomized(net: Any) -> Any:
    """Returns a network with random last weights, norms and averages, which start as constants."""
    rng = np.random.default_rng(1)

    def draw(path: str, x: jax.Array) -> Any:
        if path.endswith("debias") or (path.endswith("weight") and path != "logits.weight"):
            return x
        drawn = 0.1 * rng.standard_normal(x.shape)
        return jnp.asarray(drawn + np.asarray(x), x.dtype)

    leaves, treedef = jax.tree.flatten(net)
    return treedef.unflatten(map(draw, paths(net), leaves))


def values(net: Any) -> dict[str, np.ndarray]:
    """Returns the arrays that torch has too, by path."""
    named = zip(paths(net), jax.tree.leaves(net), strict=True)
    return {path: np.asarray(x) for path, x in named if not path.endswith("debias")}


def images(count: int, size: int, dtype: Any, seed: int) -> np.ndarray:
    return normal(count, CHANNELS, size, size, seed=seed).astype(dtype)


def in_format(x: np.ndarray, data_format: str) -> np.ndarray:
    return x if data_format == "NCHW" else np.moveaxis(x, 1, -1)


@jax.jit
def step(net: Any, state: Any, x: Any, labels: Any, rate: float) -> tuple[Any, Any]:
    def loss_fn(net: Any) -> tuple[Any, Any]:
        net, logits = pax.purecall(net, x)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), net

    (_, net), grads = pax.value_and_grad(loss_fn, has_aux=True)(net)
    updates, state = optax.sgd(rate, MOMENTUM).update(grads, state)
    return net.update_parameters(optax.apply_updates(net.parameters(), updates)), state


def train_both(ours: Any, theirs: torch_resnet.ResNet, rate: float, steps: int, size: int) -> Any:
    """Trains both in float64 on the same random batches of three; returns ours."""
    state = optax.sgd(rate, MOMENTUM).init(ours.parameters())
    optimizer = torch.optim.SGD(theirs.parameters(), rate, MOMENTUM)
    for seed in range(steps):
        x = images(3, size, np.float64, seed)
        labels = np.random.default_rng(seed).integers(CLASSES, size=3)
        ours, state = step(ours, state, in_format(x, ours.data_format), labels, rate)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels)).backward()
        optimizer.step()
    return ours


def assert_same_arrays(ours: Any, theirs: torch_resnet.ResNet, tolerance: float) -> None:
    """Fails unless all arrays are this close, measured by the largest entry of each."""
    found, expected = values(ours), dict(torch_resnet.arrays(theirs, ours.data_format))
    assert found.keys() == expected.keys()
    for path, x in found.items():
        y = expected[path].numpy()
        assert (x.shape, x.dtype) == (y.shape, y.dtype), path
        assert np.abs(x - y).max() <= tolerance * max(1.0, np.abs(y).max()), path


def assert_same_outputs(
    ours: Any, theirs: torch_resnet.ResNet, size: int, dtype: Any, tolerance: float
) -> None:
    """Fails unless both give the same for new images, in evaluation mode."""
    x = images(2, size, dtype, 99)
    found = called(ours.eval(), in_format(x, ours.data_format))
    with torch.no_grad():
        expected = theirs.eval()(torch.tensor(x)).numpy()
    theirs.train()
    assert np.abs(expected).max() > 0.1
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("v2", "bottleneck", "data_format"),
    [
        (False, False, "NCHW"),
        (True, True, "NHWC"),
        pytest.param(False, True, "NHWC", marks=pytest.mark.slow),
        pytest.param(True, False, "NCHW", marks=pytest.mark.slow),
    ],
)
def test_small(v2: bool, bottleneck: bool, data_format: str) -> None:
    with jax.enable_x64(True), optimization(False):
        ours, theirs = small(v2, bottleneck, data_format)
        ours = randomized(jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), ours))
        torch_resnet.load(theirs.double(), data_format, values(ours))
        assert_same_outputs(ours, theirs, 24, np.float64, 1e-10)
        ours = train_both(ours, theirs, 1e-2, 3, 24)
        assert_same_arrays(ours, theirs, 1e-10)
        assert_same_outputs(ours, theirs, 24, np.float64, 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("v2", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("size", SIZES)
def test_outputs_in_float32(size: int, v2: bool) -> None:
    ours, theirs = sized(size, v2)
    ours = randomized(ours)
    torch_resnet.load(theirs, "NCHW", values(ours))
    assert_same_outputs(ours, theirs, 64, np.float32, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_ten_steps(size: int) -> None:
    """In float64: in float32 a relu that opens in one library alone parts the runs for good."""
    with jax.enable_x64(True):
        ours, theirs = sized(size, v2=False)
        before = randomized(jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), ours))
        start = values(before)
        torch_resnet.load(theirs.double(), "NCHW", start)
        ours = train_both(before, theirs, RATES[size], 10, 64)
        assert_same_arrays(ours, theirs, 1e-9)
        assert_same_outputs(ours, theirs, 64, np.float64, 1e-9)
        for path, x in values(ours).items():
            assert np.abs(x - start[path]).max() > 1e-7, path
