"""Parity of the CRNN with a statement of it in torch: outputs and gradients, the loss too."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import pax
from tests.nn.run import called
from tests.parity.compare import assert_like_torch, normal

C, CLASSES, BASE, HIDDEN, B, WIDTH = 2, 4, 1, 3, 2, 20
Arrays = dict[str, Tensor]


def lstm(p: Arrays, name: str, x: Tensor) -> Tensor:
    """Reads x, [B, T, width], with gates in the order input, candidate, forget, output."""
    h = c = torch.zeros(B, HIDDEN, dtype=x.dtype)
    outs = []
    for t in range(x.shape[1]):
        gates = torch.cat([x[:, t], h], -1) @ p[f"{name}.fc.weight"] + p[f"{name}.fc.bias"]
        i, g, f, o = gates.chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outs.append(h)
    return torch.stack(outs, 1)


def crnn(p: Arrays, x: Tensor) -> Tensor:
    """Computes the logits from arrays named as in pax, with the statistics of the batch."""
    pools = [(2, 2), (2, 2), None, (2, 1), None, (2, 1), None]
    for i, pool in enumerate(pools):
        kernel, padding = p[f"convs.{i}.weight"].permute(3, 2, 0, 1).contiguous(), 1 if i < 6 else 0
        x = F.conv2d(x, kernel, p[f"convs.{i}.bias"], padding=padding)
        if i >= 4:
            scale, offset = (p[f"norms.{i}.{name}"].flatten() for name in ("scale", "offset"))
            x = F.batch_norm(x, None, None, scale, offset, training=True)
        x = x.relu()
        x = x if pool is None else F.max_pool2d(x, pool)
    x = x[:, :, 0].mT
    for i in range(2):
        forward = lstm(p, f"readers.{i}.forward.cell", x)
        backward = lstm(p, f"readers.{i}.backward.cell", x.flip(1)).flip(1)
        x = torch.cat([forward, backward], -1)
        x = x @ p[f"outputs.{i}.weight"] + p[f"outputs.{i}.bias"]
    return x


def network(data_format: str = "NCHW") -> Any:
    sizes: Any = {"base_channels": BASE, "hidden_dim": HIDDEN}
    return pax.nets.CRNN(C, CLASSES, **sizes, data_format=data_format)


def in_training(net: Any, x: Any) -> Any:
    """Calls a network, with smaller weights, as it is trained."""
    return pax.purecall(jax.tree.map(lambda value: value / 2, net), x)[1]


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_logits_and_gradients(data_format: str) -> None:
    def reference(p: Arrays, x: Tensor) -> Tensor:
        x = x if data_format == "NCHW" else x.permute(0, 3, 1, 2).contiguous()
        return crnn({name: value / 2 for name, value in p.items()}, x)

    x = normal(B, C, 32, WIDTH)
    x = x if data_format == "NCHW" else np.moveaxis(x, 1, -1)
    assert_like_torch(lambda: network(data_format), [x], reference, in_training)


@pytest.mark.slow
def test_the_padding_of_a_line_is_not_read() -> None:
    net = network().eval()
    x = normal(B, C, 32, 60).astype(np.float32)
    lengths = net.num_steps(jnp.array([60, 12]))
    assert lengths.tolist() == [14, 2]
    # the convolutions of the first two steps see about 30 pixels
    changed = np.where(np.arange(60) >= 48, 9.0, x).astype(np.float32)
    found, of_changed = (called(net, y, lengths) for y in (x, changed))
    assert (found[0, :2] != of_changed[0, :2]).any()
    np.testing.assert_array_equal(found[1, :2], of_changed[1, :2])


@pytest.mark.slow
def test_it_learns_to_read_two_lines() -> None:
    net = network()
    x = normal(B, C, 32, WIDTH).astype(np.float32)
    labels, lengths = jnp.array([[1, 2], [3, 0]]), jnp.array([2, 1])

    def loss(net: Any) -> Any:
        net, logits = pax.purecall(net, x)
        steps = net.num_steps(jnp.full(B, WIDTH))
        return pax.losses.ctc_loss(logits, labels, steps, lengths), net

    @jax.jit
    def step(net: Any) -> Any:
        (value, net), gradients = pax.value_and_grad(loss, has_aux=True)(net)
        new = jax.tree.map(lambda p, g: p - 0.5 * g, net.parameters(), gradients)
        return net.update_parameters(new), value

    net, first = step(net)
    for _ in range(60):
        net, last = step(net)
    assert last < first / 4
