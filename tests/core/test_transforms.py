"""Functions of modules: modes, gradients, scan."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.core.samples import Box, Counter, Dense, Net, normal, same_leaves, unchecked


def loss(net: Any, x: jax.Array) -> jax.Array:
    return (net(x) ** 2).sum()


def test_modes_and_parameters_are_the_methods() -> None:
    net = Net()
    assert pax.enable_eval_mode(net) == net.eval()
    assert pax.enable_train_mode(net.eval()) == net
    assert pax.select_parameters(net) == net.parameters()


def test_grad_is_with_respect_to_the_trainable_leaves() -> None:
    net, x = Net().eval(), normal(5, 3)
    grads = pax.grad(loss)(net, x)
    assert pax.assert_structure_equal(grads, net.parameters())
    assert grads.scale == pax.EmptyNode()
    expected = jax.grad(lambda w: loss(net.replace_node(net.encoder.weight, w), x))(
        net.encoder.weight
    )
    np.testing.assert_allclose(grads.encoder.weight, expected, rtol=1e-6, atol=1e-6)


def test_value_and_grad() -> None:
    net, x = Dense(3, 2), normal(5, 3)
    value, grads = pax.value_and_grad(loss)(net, x)
    np.testing.assert_allclose(value, loss(net, x), rtol=1e-6)
    np.testing.assert_allclose(grads.bias, (2 * net(x)).sum(0), rtol=1e-5, atol=1e-5)


def test_auxiliary_output_and_keyword_arguments() -> None:
    def fn(net: Dense, x: jax.Array, *, scale: float, extra: Any = None) -> Any:
        return loss(net, x) * scale, (net, extra)

    net, x = Dense(3, 2), normal(5, 3)
    plain = pax.grad(loss)(net, x)
    grads, (back, extra) = pax.grad(fn, has_aux=True)(net, x, scale=2.0, extra="e")
    (value, aux), again = pax.value_and_grad(fn, has_aux=True)(net, x=x, scale=2.0)
    assert (extra, aux[1]) == ("e", None)
    assert back == net
    np.testing.assert_allclose(value, loss(net, x) * 2, rtol=1e-6)
    for g in (grads, again):
        np.testing.assert_allclose(g.weight, plain.weight * 2, rtol=1e-6, atol=1e-6)


def test_a_state_comes_back_through_aux() -> None:
    def fn(net: Net, x: jax.Array) -> Any:
        net, y = net % x
        return (y**2).sum(), net

    net, x = Net(), normal(5, 3)
    grads, changed = jax.jit(pax.grad(fn, has_aux=True))(net, x)
    assert int(changed.counter.count) == 1
    assert grads.counter.count == pax.EmptyNode()


def test_grad_composes() -> None:
    net, x = Dense(3, 2), normal(5, 3)
    grads = pax.grad(loss)(net, x)
    np.testing.assert_allclose(
        jax.jit(pax.grad(loss))(net, x).weight, grads.weight, rtol=1e-5, atol=1e-5
    )
    each = jax.vmap(pax.grad(loss), in_axes=(None, 0))(net, x[:, None])
    np.testing.assert_allclose(each.weight.sum(0), grads.weight, rtol=1e-5, atol=1e-5)
    penalty = pax.grad(lambda net, x: (pax.grad(loss)(net, x).weight ** 2).sum())(net, x)
    assert bool((penalty.weight != 0).all())


def test_grad_of_a_module_with_nothing_trainable() -> None:
    grads = pax.grad(lambda net, x: x.sum())(Counter(), normal(2))
    assert jax.tree.leaves(grads) == []


def test_grad_keeps_the_name_of_the_function() -> None:
    assert pax.grad(loss).__name__ == "loss"
    assert pax.value_and_grad(loss).__name__ == "loss"


@pytest.mark.parametrize("make", [pax.grad, pax.value_and_grad])
@pytest.mark.parametrize("first", [3, {"net": Dense()}, None])
def test_the_first_argument_must_be_a_module(make: Any, first: Any) -> None:
    with pytest.raises(pax.ArgumentError) as error:
        make(loss)(first, normal(2))
    assert str(error.value) == (
        f"the function to differentiate got {type(first).__name__} as its first argument; "
        "expected a module.\n"
        "  fix: pass the module first: pax.grad(fn)(model, ...); for arrays use jax.grad."
    )


@pytest.mark.parametrize("make", [pax.grad, pax.value_and_grad])
def test_keywords_of_jax_grad(make: Any) -> None:
    class Mixed(pax.ParameterModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.steps = normal(3), jnp.arange(2)

    def fn(net: Any, x: jax.Array) -> jax.Array:
        return (net.weight * x).sum()

    def gradient(out: Any) -> Any:
        return out if make is pax.grad else out[1]

    x = normal(3, seed=1)
    grads = gradient(make(fn, allow_int=True)(Mixed(), x))
    np.testing.assert_array_equal(grads.weight, x)
    assert (grads.steps.dtype, grads.steps.shape) == (jax.dtypes.float0, (2,))
    with pytest.raises(TypeError, match="int32"):
        make(fn)(Mixed(), x)

    z = jax.lax.complex(normal(3), normal(3, seed=2))
    net = Mixed().replace(weight=z, steps=None)
    grads = gradient(make(lambda net, x: (net.weight**2).sum(), holomorphic=True)(net, x))
    np.testing.assert_allclose(grads.weight, 2 * z, rtol=1e-6)


NO_MODULE = {
    "enable_train_mode": (pax.enable_train_mode, {}, "model"),
    "enable_eval_mode": (pax.enable_eval_mode, {}, "model"),
    "select_parameters": (pax.select_parameters, {}, "model"),
    "freeze_parameters": (pax.freeze_parameters, {}, "model"),
    "update_parameters": (pax.update_parameters, {"params": Dense()}, "model, params=params"),
    "unfreeze_parameters": (pax.unfreeze_parameters, {"origin": Dense()}, "model, origin=model"),
}


@pytest.mark.parametrize("first", [3, None, [Dense()], Dense])
@pytest.mark.parametrize("name", NO_MODULE)
def test_they_take_modules_only(name: str, first: Any) -> None:
    fn, options, written = NO_MODULE[name]
    with pytest.raises(ValueError) as error:
        unchecked(fn)(first, **options)
    assert str(error.value) == (
        f"pax.{name} got {type(first).__name__}; expected a module.\n"
        f"  fix: pass the module itself: pax.{name}({written})."
    )


def test_scan_is_that_of_jax() -> None:
    xs, init = normal(6, 2), normal(2, seed=1)

    def step(c: jax.Array, x: jax.Array) -> Any:
        return c + x, c * x

    for options in ({}, {"unroll": 3}, {"length": 6}):
        carry, ys = pax.scan(step, init, xs, **options)
        expected_carry, expected = jax.lax.scan(step, init, xs)
        np.testing.assert_allclose(carry, expected_carry, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(ys, expected, rtol=1e-6, atol=1e-6)


def test_scan_over_nothing() -> None:
    carry, ys = pax.scan(lambda c, _: (c + 1, c), 0, None, length=4)
    assert (int(carry), ys.tolist()) == (4, [0, 1, 2, 3])


def test_scan_with_batch_first() -> None:
    xs = {"a": normal(3, 6, 2), "b": normal(3, 6, seed=1)}

    def step(c: jax.Array, x: Any) -> Any:
        c = c + x["a"] * x["b"].reshape(3, 1)
        return c, {"sum": c, "first": c[:, 0]}

    carry, ys = pax.scan(step, normal(3, 2, seed=2), xs, time_major=False)
    swapped = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), xs)
    expected_carry, expected = jax.lax.scan(step, normal(3, 2, seed=2), swapped)
    np.testing.assert_allclose(carry, expected_carry, rtol=1e-6, atol=1e-6)
    assert (ys["sum"].shape, ys["first"].shape) == ((3, 6, 2), (3, 6))
    np.testing.assert_allclose(ys["sum"][:, 4], expected["sum"][4], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ys["first"][1], expected["first"][:, 1], rtol=1e-6, atol=1e-6)


def test_scan_carries_modules_and_keys() -> None:
    keys = jax.random.split(jax.random.key(0), (4, 5))
    net, ys = pax.scan(lambda net, x: net % x[0], Net(), (normal(4, 5, 3), keys), time_major=False)
    assert int(net.counter.count) == 5
    assert ys.shape == (4, 5, 2)


def test_scan_with_batch_first_wants_two_axes() -> None:
    text = (
        "pax.scan with time_major=False got an array of shape (6,); expected (batch, time, ...).\n"
        "  fix: give every input and output a batch axis, or use time_major=True."
    )
    for xs, step in (
        (normal(6), lambda c, x: (c, x)),
        (normal(3, 6), lambda c, x: (c, x.sum())),
    ):
        with pytest.raises(pax.ShapeError) as error:
            pax.scan(step, 0.0, xs, time_major=False)
        assert str(error.value) == text


def test_structure_equality_of_what_comes_back() -> None:
    net = Net()
    changed, _ = pax.purecall(net, normal(5, 3))
    assert pax.assert_structure_equal(changed, net)
    assert same_leaves(changed.encoder, net.encoder)
    assert Box(a=1) != Box(a=1.5)
