"""Programs in the style of years ago, whole: what they compute, and that they compile once."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pax


class Dense(pax.Module):
    """No call of `super().__init__`, annotations that mean nothing, a counter, a mixed list."""

    weight: jnp.ndarray
    bias: jnp.ndarray
    count: int

    parameters = pax.parameters_method("weight", "bias")

    def __init__(self, in_dim: int, out_dim: int) -> None:
        self.weight = 0.3 * jax.random.normal(pax.next_rng_key(), (in_dim, out_dim))
        self.bias = jnp.zeros((out_dim,))
        self.count = jnp.array(0)  # type: ignore[assignment]
        self.steps = [jnp.tanh, pax.Lambda(jax.nn.relu)]

    def __call__(self, x: Any) -> Any:
        self.count = self.count + 1
        return self.steps[0](x @ self.weight + self.bias.reshape(1, -1))


class Net(pax.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Dense(2, 6)
        self.layers = [pax.Linear(6, 6), jax.nn.relu, {"drop": pax.Dropout(0.1)}]
        self.last = pax.Linear(6, 1)
        self.rngs = pax.RngSeq(seed=1)

    def __call__(self, x: Any) -> Any:
        x = self.layers[1](self.layers[0](self.first(x)))
        x = self.layers[2]["drop"](x)
        return self.last(x + 0.01 * jax.random.normal(self.rngs.next_rng_key(), x.shape))


def loss_fn(model: Any, x: Any, y: Any) -> Any:
    model, y_hat = pax.module_and_value(model)(x)
    loss = jnp.mean(jnp.square(y_hat - y))
    return loss, (loss, model)


@jax.jit
def update(model: Any, x: Any, y: Any) -> Any:
    grads, (loss, model) = pax.grad(loss_fn, has_aux=True)(model, x, y)
    params = model.parameters()
    params = jax.tree_util.tree_map(lambda p, g: p - 0.1 * g, params, grads)
    return model.update_parameters(params), loss


X = jnp.asarray(np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32))
Y = X.sum(-1, keepdims=True)


def test_training() -> None:
    net = Net()
    _, before = update(net, X, Y)
    for _ in range(40):
        net, loss = update(net, X, Y)
    assert update._cache_size() == 1
    assert float(loss) < 0.3 * float(before)
    assert int(net.first.count) == 40


def test_fine_tuning() -> None:
    """Freeze a part with `apply`, change the head, train, thaw, save and load."""
    net = Net()

    def freeze(module: Any) -> Any:
        return pax.freeze_parameters(module) if isinstance(module, Dense) else module

    frozen = net.apply(freeze)
    frozen = frozen.replace_node(frozen.last, pax.Linear(6, 1, name="head"))
    assert frozen.last.name == "head"
    tuned, _ = update(frozen, X, Y)
    assert tuned.first.weight is not net.first.weight  # it went through a compiled function
    np.testing.assert_array_equal(tuned.first.weight, net.first.weight)
    assert int(tuned.first.count) == 1
    assert (tuned.last.weight != frozen.last.weight).any()
    thawed = pax.unfreeze_parameters(tuned, origin=net)
    assert pax.assert_structure_equal(thawed, net)
    saved = pickle.loads(pickle.dumps(jax.tree_util.tree_map(np.asarray, thawed.state_dict())))
    loaded = Net().load_state_dict(saved)
    for mine, its in zip(jax.tree.leaves(loaded), jax.tree.leaves(thawed), strict=True):
        np.testing.assert_array_equal(mine, its)


@dataclass
class Scale(pax.Module):
    size: int
    fc: pax.Linear = field(default_factory=lambda: pax.Linear(2, 2))
    name: str | None = "scale"

    parameters = pax.parameters_method("factor")

    def __post_init__(self) -> None:
        self.factor = jnp.full((self.size,), 2.0)
        self.calls = jnp.array(0.0)

    def __call__(self, x: Any) -> Any:
        self.calls += 1.0
        return self.fc(x) * self.factor.reshape(1, -1)


def test_operators_and_a_dataclass() -> None:
    net = Scale(2)

    def loss(params: Any, net: Any, x: Any) -> Any:
        net, y = (net | params) % x
        return y.sum(), net

    grads, after = jax.grad(loss, has_aux=True)(~net, net, X)
    np.testing.assert_allclose(grads.factor, net.fc(X).sum(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(grads.fc.bias, np.full(2, 64.0), rtol=1e-6)
    assert grads.calls == pax.EmptyNode()
    assert (float(after.calls), float(net.calls)) == (1.0, 0.0)
    better = after | (~after).map(lambda p, g: p - 0.1 * g, grads)
    np.testing.assert_array_equal(better.factor, net.factor - 0.1 * grads.factor)
    assert better.calls is after.calls
    assert better.summary() == "(scale) Scale\n└── Linear(in_dim=2, out_dim=2, with_bias=True)"
