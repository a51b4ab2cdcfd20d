"""`apply_gradients`: one path for every optimizer module; what does not fit is named."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pax
from tests.core.samples import Box, normal


class Scaled(pax.StateModule):
    """An optimizer as PAX programs write it."""

    def __init__(self, params: Any, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.total = jax.tree.map(jnp.zeros_like, params)

    def __call__(self, grads: Any, params: Any = None) -> Any:
        self.total = jax.tree.map(jnp.add, self.total, grads)
        return jax.tree.map(lambda t, p: self.rate * t * p, self.total, params)


def test_an_optimizer_of_ones_own() -> None:
    net = Box(a=pax.Linear(3, 2), state=pax.BatchNorm1D(2), rest=normal(2))
    grads = net.parameters().map(jnp.sin)
    optimizer = Scaled(net.parameters(), 0.1)
    for step in (pax.optim.apply_gradients, jax.jit(pax.optim.apply_gradients)):
        new, changed = step(net, optimizer, grads)
        g, p = grads.a.weight, net.a.weight
        np.testing.assert_allclose(new.a.weight, p - 0.1 * g * p, rtol=1e-6)
        np.testing.assert_array_equal(changed.total.a.weight, g)
        np.testing.assert_array_equal(new.rest, net.rest)
        assert pax.assert_structure_equal((new, changed), (net, optimizer))
    np.testing.assert_array_equal(optimizer.total.a.weight, jnp.zeros((3, 2)))


def test_whole_trees_of_gradients_are_cut_to_the_parameters() -> None:
    """`jax.grad` of a module of floats returns a gradient of its state as well."""
    net = Box(a=pax.Linear(3, 2), rest=normal(2))
    whole = jax.grad(lambda net: jnp.sum(net.a.weight**2) + jnp.sum(net.rest**2))(net)
    assert isinstance(whole.rest, jax.Array)
    optimizer = pax.optim.Optimizer(optax.sgd(0.25), net)
    new, _ = pax.optim.apply_gradients(net, optimizer, whole)
    np.testing.assert_allclose(new.a.weight, net.a.weight / 2, rtol=1e-6)
    assert new.rest is net.rest


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("promotion", ["strict", "standard"])
def test_parameters_keep_their_dtype(dtype: Any, promotion: str) -> None:
    """The update is in float32, and so is the difference; only the result is rounded."""
    net = pax.Linear(3, 2)
    net = net.replace(weight=net.weight.astype(dtype))

    class Wide(pax.StateModule):
        def __call__(self, grads: Any, params: Any) -> Any:
            return jax.tree.map(lambda g: g.astype(jnp.float32) * 0.01234567, grads)

    grads = net.parameters().map(jnp.cos)
    with jax.numpy_dtype_promotion(promotion):
        new, _ = jax.jit(pax.optim.apply_gradients)(net, Wide(), grads)
    assert (new.weight.dtype, new.bias.dtype) == (dtype, jnp.float32)
    update = np.asarray(grads.weight, np.float32) * np.float32(0.01234567)
    expected = (np.asarray(net.weight, np.float32) - update).astype(dtype)
    np.testing.assert_array_equal(new.weight, expected)


@pytest.mark.parametrize("name", ["adam", "sgd", "adamw", "rmsprop", "lion"])
def test_optax_with_parameters_in_bfloat16(name: str) -> None:
    net = pax.Linear(3, 2).map(lambda x: x.astype(jnp.bfloat16))
    optimizer = pax.optim.Optimizer(getattr(optax, name)(0.1), net)
    trained, stepped = net, optimizer
    step = jax.jit(pax.optim.apply_gradients)
    for _ in range(2):
        trained, stepped = step(trained, stepped, net.parameters().map(jnp.cos))
    assert trained.weight.dtype == jnp.bfloat16
    assert (trained.weight < net.weight).all()  # the gradients are positive


@pytest.mark.usefixtures("unchecked")
def test_all_three_are_modules() -> None:
    net = pax.Linear(3, 2)
    optimizer = pax.optim.Optimizer(optax.sgd(0.1), net)
    text = "apply_gradients got {} as `{}`; expected a module.\n  fix: {}"
    cases: list[tuple[tuple[Any, Any, Any], tuple[str, str, str]]] = [
        (({"a": net}, optimizer, net), ("dict", "model", "pass the model itself.")),
        (
            (net, optax.sgd(0.1), net),
            (
                "GradientTransformationExtraArgs",
                "optimizer",
                "make a module of it: pax.optim.Optimizer(optax.adam(1e-3), model).",
            ),
        ),
        (
            (net, optimizer, [net.weight]),
            (
                "list",
                "grads",
                "compute them with pax.grad, which gives a module of the model's class.",
            ),
        ),
    ]
    for arguments, words in cases:
        with pytest.raises(pax.ArgumentError) as error:
            pax.optim.apply_gradients(*arguments)
        assert str(error.value) == text.format(*words)


def test_gradients_of_another_structure() -> None:
    net = Box(a=pax.Linear(3, 2), b=[pax.Linear(2, 2), pax.Linear(2, 1)])
    optimizer = pax.optim.Optimizer(optax.sgd(0.1), net)
    grads = net.replace(a=net.a.eval(), b=[pax.Linear(2, 3), pax.freeze_parameters(net.b[1])])
    with pytest.raises(pax.StructureError) as error:
        pax.optim.apply_gradients(net, optimizer, grads)
    assert str(error.value) == (
        "the gradients do not have the structure of the model's parameters; parameters against "
        "gradients: `a.training`: True against False, `b.0.out_dim`: 2 against 3, "
        "`b.1`: Linear against Linear with another parameters.\n"
        "  fix: compute the gradients of this very model: pax.grad(loss_fn)(model, ...)."
    )


def test_a_gradient_that_is_missing() -> None:
    net = pax.Linear(3, 2)
    optimizer = pax.optim.Optimizer(optax.sgd(0.1), net)
    with pytest.raises(pax.StructureError) as error:
        pax.optim.apply_gradients(net, optimizer, net.replace(bias=pax.EmptyNode()))
    assert "gradients: `bias`: an array against EmptyNode.\n" in str(error.value)


def test_gradients_of_another_shape() -> None:
    """A gradient of one number would be broadcast over a bias without a word."""
    net = Box(layers=[pax.Linear(3, 2) for _ in range(12)])
    optimizer = pax.optim.Optimizer(optax.sgd(0.1), net)
    grads = net.parameters().map(lambda x: x.reshape(x.shape[0], -1)[:, :1].sum(axis=1))
    with pytest.raises(pax.ShapeError) as error:
        pax.optim.apply_gradients(net, optimizer, grads)
    first = ", ".join(f"`layers.{i}.weight`: (3, 2) against (3,)" for i in range(12))
    assert str(error.value) == (
        "the gradients do not have the shapes of the model's parameters; parameters against "
        f"gradients: {first}.\n"
        "  fix: average over batches and devices without changing the shape of a gradient."
    )
