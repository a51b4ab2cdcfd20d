"""`apply_scaled_gradients`: a step that overflowed is no step, and lowers the scale."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jmp
import numpy as np
import opax
import optax
import pytest

import pax
from tests.core.samples import normal

apply = pax.experimental.apply_scaled_gradients


class Net(pax.Module):
    """Has leaves of every kind: floats, an integer, a raw key and a typed one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = pax.Linear(3, 2)
        self.dropout = pax.Dropout(0.2)
        self.key = jax.random.key(3)
        self.count = jnp.array(0, jnp.int32)

    def __call__(self, x: jax.Array) -> jax.Array:
        self.key = jax.random.split(self.key)[0]
        self.count = self.count + 1
        return self.dropout(self.linear(x))


class Keyed(pax.StateModule):
    """An optimizer that draws a typed key and counts."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        self.key = jax.random.key(5)
        self.count = jnp.array(0, jnp.int32)

    def __call__(self, grads: Any, params: Any = None) -> Any:
        self.key = jax.random.split(self.key)[0]
        self.count = self.count + 1
        return jax.tree.map(lambda g: 0.1 * g, grads)


def of_optax(params: Any) -> pax.optim.Optimizer:
    return pax.optim.Optimizer(optax.adam(0.1), params)


SCALES = {
    "pax": lambda: pax.precision.DynamicLossScale(64.0, period=2),
    "jmp": lambda: jmp.DynamicLossScale(jnp.float32(64), period=2),
}
OPTIMIZERS = {"optax": of_optax, "opax": opax.adam(0.1), "own": Keyed}


def assert_same(a: Any, b: Any) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("scale", "optimizer", "bad"),
    [
        ("pax", "optax", jnp.inf),
        ("pax", "opax", jnp.nan),
        ("pax", "own", jnp.nan),
        ("jmp", "optax", jnp.nan),
        ("jmp", "opax", jnp.inf),
    ],
)
def test_a_step_that_overflowed(scale: str, optimizer: str, bad: float) -> None:
    net = Net()
    before = net, OPTIMIZERS[optimizer](net.parameters()), SCALES[scale]()
    grads = net.parameters().map(jnp.cos)
    overflowed = grads.replace(linear=grads.linear.replace(bias=jnp.array([1.0, bad])))
    with jax.numpy_dtype_promotion("standard"):  # jmp and opax need it
        step = jax.jit(lambda *args: apply(*args))  # a function, and so a cache, of its own
        new, new_optimizer, new_scale = step(*before, overflowed)
        assert_same((new, new_optimizer), before[:2])
        assert new_scale.loss_scale == 32.0
        new, new_optimizer, new_scale = step(new, new_optimizer, new_scale, grads)
        plain = pax.optim.apply_gradients(*before[:2], grads.map(lambda g: g / 32.0))
        assert new_scale.loss_scale == 32.0
        for x, y in zip(jax.tree.leaves((new, new_optimizer)), jax.tree.leaves(plain), strict=True):
            if jnp.issubdtype(x.dtype, jnp.floating):
                np.testing.assert_allclose(x, y, rtol=1e-5)
        assert_same((new.key, new.count), (plain[0].key, plain[0].count))
        *_, new_scale = step(new, new_optimizer, new_scale, grads)
        assert new_scale.loss_scale == 64.0
    assert scale == "jmp" or step._cache_size() == 1  # jmp's own changes its weak types


@pytest.mark.parametrize(
    "scale",
    [pax.precision.StaticLossScale(8.0), jmp.StaticLossScale(jnp.array(8.0)), jmp.NoOpLossScale()],
)
def test_a_scale_that_never_changes_lets_everything_through(scale: Any) -> None:
    net = Net()
    optimizer = pax.optim.Optimizer(optax.sgd(0.5), net)
    grads = net.parameters().map(jnp.cos)
    grads = grads.replace(linear=grads.linear.replace(bias=jnp.array([jnp.inf, 8.0])))
    new, _, same = apply(net, optimizer, scale, grads)
    factor = 1.0 if isinstance(scale, jmp.NoOpLossScale) else 8.0
    assert same is scale
    assert new.linear.bias[0] == -jnp.inf
    np.testing.assert_allclose(new.linear.bias[1], net.linear.bias[1] - 4.0 / factor, rtol=1e-6)
    assert new.count is net.count


def test_untouched_leaves_stay_the_same_arrays() -> None:
    net = Net()
    optimizer = pax.optim.Optimizer(optax.sgd(0.5), net)
    scale = pax.precision.DynamicLossScale(8.0)
    new, _, _ = apply(net, optimizer, scale, net.parameters())
    assert new.key is net.key
    assert new.dropout.rng_key is net.dropout.rng_key


def test_training_in_float16_under_scan() -> None:
    """The scale starts too high: it falls until the gradients fit, and then the loss falls too."""
    x = normal(8, 3)
    y = x @ normal(3, 2, seed=1)

    def step(carry: Any, _: None) -> Any:
        model, optimizer, scale = carry

        def scaled_loss(model: Any) -> Any:
            model, predicted = pax.purecall(model, x)
            loss = jnp.mean((predicted - y) ** 2)
            return scale.scale(loss), (loss, model)

        grads, (loss, model) = pax.grad(scaled_loss, has_aux=True)(model)
        model, optimizer, scale = apply(model, optimizer, scale, grads)
        return (model, optimizer, scale), (loss, scale.loss_scale)

    net = pax.apply_mp_policy(pax.Linear(3, 2), pax.Policy.parse("mixed_float16"))
    optimizer = pax.optim.Optimizer(optax.sgd(0.3, momentum=0.9), net)
    carry = net, optimizer, pax.precision.DynamicLossScale(2.0**24)
    (trained, _, _), (losses, scales) = pax.scan(step, carry, None, length=80)
    falls = int(np.argmin(scales))
    assert 2 < falls < 20
    np.testing.assert_array_equal(scales[:falls], 2.0 ** (23 - np.arange(falls)))
    np.testing.assert_array_equal(losses[:falls], losses[0])
    np.testing.assert_array_equal(scales[falls:], scales[falls])
    assert losses[-1] < 0.01 * losses[0]
    assert trained.weight.dtype == jnp.float32


@pytest.mark.usefixtures("unchecked")
def test_what_it_takes() -> None:
    net = pax.Linear(3, 2)
    optimizer = pax.optim.Optimizer(optax.sgd(0.5), net)
    with pytest.raises(pax.ArgumentError) as error:
        apply(net, optimizer, 8.0, net)
    assert str(error.value) == (
        "apply_scaled_gradients got float as `loss_scale`; expected an object with the methods "
        "`unscale` and `adjust`.\n"
        "  fix: pass a loss scale; without one, use pax.optim.apply_gradients."
    )
    for arguments, name in (((None, optimizer), "model"), ((net, 3), "optimizer")):
        with pytest.raises(pax.ArgumentError, match=f"apply_scaled_gradients got .* as `{name}`"):
            apply(*arguments, pax.precision.StaticLossScale(8.0), net)
    with pytest.raises(pax.StructureError, match="the gradients do not have the structure"):
        apply(net, optimizer, pax.precision.DynamicLossScale(8.0), pax.Linear(2, 2))
