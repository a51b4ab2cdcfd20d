"""Trains a network beside its statement in torch, from the same random arrays.

The statement gives its layers the names that they have in `pax`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch import nn

import pax
from tests.contracts.case import is_floating, paths
from tests.nn.run import called
from tests.optimization import optimization
from tests.parity.compare import normal

STEPS, MOMENTUM = 3, 0.9
TOLERANCE = 1e-10

#: The ends of the paths of what a network draws; everything else starts as a constant.
DRAWN = ("weight", "sums")


class Slot(NamedTuple):
    """A tensor of torch as a view in the layout of `pax`, but for the order of a kernel."""

    view: torch.Tensor
    is_flipped: bool = False

    def read(self) -> np.ndarray:
        return (self.view.flip(0, 1) if self.is_flipped else self.view).numpy(force=True).copy()

    def write(self, value: np.ndarray) -> None:
        assert self.view.shape == value.shape
        new = torch.tensor(value)
        self.view.data.copy_(new.flip(0, 1) if self.is_flipped else new)


def slots(net: nn.Module, data_format: str = "NCHW") -> dict[str, Slot]:
    """Returns the floating tensors of a network by their path in `pax`."""
    found = {
        f"{path}.{name}".lstrip("."): slot
        for path, layer in net.named_modules()
        for name, slot in _slots_of(layer, data_format)
    }
    floats = [x for x in net.state_dict().values() if x.is_floating_point()]
    assert sum(slot.view.numel() for slot in found.values()) == sum(x.numel() for x in floats)
    return found


def _slots_of(layer: nn.Module, data_format: str) -> Iterator[tuple[str, Slot]]:
    own = dict(layer.named_parameters(recurse=False))
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        is_flipped = isinstance(layer, nn.ConvTranspose2d)
        yield "weight", Slot(own.pop("weight").permute(2, 3, 1, 0), is_flipped)
    elif isinstance(layer, nn.Linear):
        yield "weight", Slot(own.pop("weight").T)
    elif isinstance(layer, nn.BatchNorm2d):
        shape = [-1 if axis == "C" else 1 for axis in data_format]
        yield "scale", Slot(own.pop("weight").view(shape))
        yield "offset", Slot(own.pop("bias").view(shape))
        yield "ema_mean.averages", Slot(layer.running_mean.view(shape))
        yield "ema_var.averages", Slot(layer.running_var.view(shape))
        return
    elif isinstance(layer, (nn.LayerNorm, nn.GroupNorm)):
        yield "scale", Slot(own.pop("weight"))
        yield "offset", Slot(own.pop("bias"))
    for name, tensor in (*own.items(), *layer.named_buffers(recurse=False)):
        yield name, Slot(tensor)


def values(net: Any) -> dict[str, np.ndarray]:
    """Returns the arrays that torch has too, by path."""
    named = zip(paths(net), jax.tree.leaves(net), strict=True)
    return {p: np.asarray(x) for p, x in named if is_floating(x) and not p.endswith("debias")}


def randomized(net: Any, dtype: Any, *, weights: bool) -> Any:
    """Returns a network with random numbers added to its arrays, in this dtype.

    Without `weights` those that are drawn stay as they are, as large networks need it.
    """

    def draw(seed: int, path: str, x: Any) -> Any:
        if not is_floating(x) or path.endswith("debias"):
            return x
        value = np.asarray(x, np.float64)
        if weights or not path.endswith(DRAWN) or not value.any():
            value = value + 0.1 * normal(*x.shape, seed=seed)
        return jnp.asarray(value, dtype)

    leaves, treedef = jax.tree.flatten(net)
    return treedef.unflatten(map(draw, range(len(leaves)), paths(net), leaves))


def moved(x: Any, data_format: str) -> Any:
    """Returns images in the data format; anything else as it is."""
    return np.moveaxis(x, 1, -1) if np.ndim(x) == 4 and data_format == "NHWC" else x


@partial(jax.jit, static_argnums=(2, 3))
def _step(net: Any, state: Any, optimizer: Any, loss: Any, inputs: Any, target: Any) -> Any:
    """Returns the network and the optimizer's state after a step, and the outputs before it."""

    def loss_fn(net: Any) -> tuple[Any, Any]:
        net, outputs = pax.purecall(net, *inputs)
        return loss(outputs, target), (net, outputs)

    (_, (net, outputs)), grads = pax.value_and_grad(loss_fn, has_aux=True)(net)
    updates, state = optimizer.update(grads, state)
    params = optax.apply_updates(net.parameters(), updates)
    return net.update_parameters(params), state, outputs


def squares(outputs: Any, target: Any) -> Any:
    """Returns the mean square of the distance, in either library."""
    return ((outputs - target) ** 2).mean()


def assert_trains_like_torch(
    ours: Any,
    theirs: nn.Module,
    draw: Callable[[int], tuple[np.ndarray, ...]],
    target: Callable[[int], np.ndarray],
    *,
    loss: Callable[[Any, Any], Any] = squares,
    rate: float = 1e-2,
    data_format: str = "NCHW",
    still: tuple[str, ...] = (),
) -> None:
    """Fails unless the outputs of three steps, and all arrays after them, are the same in float64.

    Args:
        ours: a network.
        theirs: its statement in torch.
        draw: draws the inputs of a step from a seed; images are channels first.
        target: draws what the loss compares the outputs with.
        loss: of the outputs and the target, in either library.
        rate: the learning rate.
        data_format: that of our network.
        still: ends of the paths of arrays that cannot count, and so do not move.
    """
    with jax.enable_x64(True), optimization(False):
        ours, theirs = randomized(ours, np.float64, weights=True), theirs.double()
        start = _copied(ours, theirs, data_format)
        transformation = optax.sgd(rate, MOMENTUM)
        state = transformation.init(ours.parameters())
        optimizer = torch.optim.SGD(theirs.parameters(), rate, MOMENTUM)
        for seed in range(STEPS):
            inputs, wanted = draw(seed), target(seed)
            given = [tuple(moved(x, data_format) for x in xs) for xs in (inputs, (wanted,))]
            ours, state, found = _step(ours, state, transformation, loss, given[0], *given[1])
            optimizer.zero_grad()
            expected = theirs(*map(torch.tensor, inputs))
            loss(expected, torch.tensor(wanted)).backward()
            optimizer.step()
            _assert_same(found, expected, data_format, TOLERANCE)
        tensors = slots(theirs, data_format)
        for path, x in values(ours).items():
            y = tensors[path].read()
            assert np.abs(x - y).max() <= TOLERANCE * max(1.0, np.abs(y).max()), path
            assert (np.abs(x - start[path]).max() > 1e-7) != path.endswith(still), path


def assert_same_in_float32(ours: Any, theirs: nn.Module, *inputs: np.ndarray) -> None:
    """Fails unless both give the same in evaluation mode and float32."""
    ours = randomized(ours, np.float32, weights=False).eval()
    _copied(ours, theirs, "NCHW")
    inputs = tuple(x.astype(np.float32) if is_floating(x) else x for x in inputs)
    with torch.no_grad():
        expected = theirs.eval()(*map(torch.tensor, inputs))
    _assert_same(called(ours, *inputs), expected, "NCHW", 1e-4)


def _copied(ours: Any, theirs: nn.Module, data_format: str) -> dict[str, np.ndarray]:
    """Returns the arrays of our network, which the other has from now on."""
    arrays, tensors = values(ours), slots(theirs, data_format)
    assert tensors.keys() == arrays.keys()
    for path, slot in tensors.items():
        slot.write(arrays[path])
    return arrays


def _assert_same(found: Any, expected: Any, data_format: str, tolerance: float) -> None:
    """Fails unless outputs are equal; floating ones are not all small."""
    expected = [y.numpy(force=True) for y in jax.tree.leaves(expected)]
    for x, y in zip(jax.tree.leaves(found), expected, strict=True):
        y = moved(y, data_format)
        assert x.shape == y.shape
        assert x.dtype == y.dtype or not is_floating(x)
        assert np.abs(y).max() > 0.01
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)
