"""`build_update_fn`: a step is loss, gradient, optimizer; what comes back is checked."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pax
from tests.core.samples import Box, Dense, normal
from tests.optim.samples import Net, data, loss_fn


def adam(net: pax.Module) -> pax.optim.Optimizer:
    return pax.optim.Optimizer(optax.adam(0.01), net)


def by_hand(net: Any, x: jax.Array, y: jax.Array, steps: int) -> tuple[Any, list[Any]]:
    """Returns the net and the losses of steps that use optax alone."""
    transformation = optax.adam(0.01)

    @jax.jit
    def step(net: Any, state: Any) -> Any:
        (loss, (_, net)), grads = pax.value_and_grad(loss_fn, has_aux=True)(net, x, y)
        updates, state = transformation.update(grads, state, net.parameters())
        params = optax.apply_updates(net.parameters(), updates)
        return net.update_parameters(params), state, loss

    losses = []
    with jax.numpy_dtype_promotion("standard"):
        state = transformation.init(net.parameters())
        for _ in range(steps):
            net, state, loss = step(net, state)
            losses.append(loss)
    return net, losses


def assert_close(a: Any, b: Any) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=2e-6)


def test_steps_are_those_of_optax() -> None:
    net, (x, y) = Net(), data(6)
    expected, losses = by_hand(net, x, y, steps=3)
    update = jax.jit(pax.build_update_fn(loss_fn))
    trained, optimizer = net, adam(net)
    for loss in losses:
        trained, optimizer, aux = update(trained, optimizer, x, y)
        np.testing.assert_allclose(aux["loss"], loss, rtol=1e-5)
    assert_close(trained, expected)
    assert update._cache_size() == 1
    assert pax.assert_structure_equal(trained, net)


def test_state_comes_back_and_frozen_layers_stay() -> None:
    net, (x, y) = Net(), data(6)
    trained, _, _ = jax.jit(pax.build_update_fn(loss_fn))(net, adam(net), x, y)
    assert (trained.first.weight == net.first.weight).all()
    assert (trained.dropout.rng_key != net.dropout.rng_key).any()
    assert (trained.average.averages != net.average.averages).any()
    assert (trained.layers[1].weight != net.layers[1].weight).any()


def test_scan_mode_is_the_body_of_a_scan() -> None:
    net, (xs, ys) = Net(), data(4, 6)

    def fn(model: Any, batch: Any) -> Any:
        return loss_fn(model, *batch)

    one_by_one, optimizer = net, adam(net)
    losses = []
    update = jax.jit(pax.build_update_fn(fn))
    for x, y in zip(xs, ys, strict=True):
        one_by_one, optimizer, aux = update(one_by_one, optimizer, (x, y))
        losses.append(aux["loss"])

    update = pax.build_update_fn(fn, scan_mode=True)
    (scanned, scanned_optimizer), aux = pax.scan(update, (net, adam(net)), (xs, ys))
    assert_close(aux["loss"], jnp.stack(losses))
    assert_close((scanned, scanned_optimizer), (one_by_one, optimizer))
    (scanned, _), _ = jax.lax.scan(update, (net, adam(net)), (xs, ys))
    assert_close(scanned, one_by_one)


def test_scan_mode_outside_of_a_scan_takes_several_inputs() -> None:
    net, (x, y) = Net(), data(6)
    optimizer = adam(net)
    in_scan = jax.jit(pax.build_update_fn(loss_fn, scan_mode=True))
    (a, b), aux = in_scan((net, optimizer), x, y)
    assert_close((a, b, aux), jax.jit(pax.build_update_fn(loss_fn))(net, optimizer, x, y))


def test_a_batch_of_seeds() -> None:
    x, y = data(6)
    transformation = optax.adam(0.01)

    def train(key: jax.Array) -> Any:
        net = pax.Linear(3, 2, rng_key=key)
        optimizer = pax.optim.Optimizer(transformation, net)
        update = pax.build_update_fn(loss_fn)
        for _ in range(2):
            net, optimizer, aux = update(net, optimizer, x, y)
        return net, optimizer, aux

    keys = jax.random.split(jax.random.key(0), 3)
    together = jax.jit(jax.vmap(train))(keys)
    alone = jax.jit(train)
    for i, key in enumerate(keys):
        assert_close(jax.tree.map(lambda a, i=i: a[i], together), alone(key))


def test_memory_may_be_donated() -> None:
    net, (x, y) = Net(), data(6)
    expected, _, _ = jax.jit(pax.build_update_fn(loss_fn))(net, adam(net), x, y)
    update = jax.jit(pax.build_update_fn(loss_fn), donate_argnums=(0, 1))
    copied, optimizer = jax.tree.map(jnp.copy, net), adam(net)
    first, optimizer, _ = update(copied, optimizer, x, y)
    assert copied.layers[1].weight.is_deleted()
    assert_close(first, expected)
    second, _, _ = update(first, optimizer, x, y)
    assert first.layers[1].weight.is_deleted()
    assert not second.layers[1].weight.is_deleted()


def test_named_tuples_are_tuples() -> None:
    class Aux(NamedTuple):
        loss: Any
        model: Any

    class Output(NamedTuple):
        loss: Any
        aux: Any

    def fn(model: Any, x: jax.Array) -> Output:
        loss = jnp.mean(model(x) ** 2)
        return Output(loss, Aux(loss, model))

    net = pax.Linear(3, 2)
    _, _, loss = pax.build_update_fn(fn)(net, adam(net), data(6)[0])
    np.testing.assert_allclose(loss, jnp.mean(net(data(6)[0]) ** 2), rtol=1e-5)


def forms(model: Any) -> dict[str, tuple[Any, str]]:
    loss = jnp.array(0.5)
    return {
        "loss": (loss, "an array"),
        "no model": ((loss, None), "(an array, NoneType)"),
        "no aux": ((loss, model), "(an array, Linear)"),
        "swapped": ((loss, (model, {})), "(an array, (Linear, dict))"),
        "flat": ((loss, None, model), "(an array, NoneType, Linear)"),
        "list": ((loss, [None, model]), "(an array, list)"),
        "nothing": (None, "NoneType"),
        "short": ((loss,), "(an array,)"),
    }


@pytest.mark.parametrize("name", forms(None))
def test_the_loss_function_must_return_the_model(name: str) -> None:
    net = pax.Linear(3, 2)
    update = pax.build_update_fn(lambda model: forms(model)[name][0])
    with pytest.raises(ValueError) as error:
        update(net, adam(net))
    assert str(error.value) == (
        f"the loss function returned {forms(net)[name][1]}; expected (loss, (aux, model)).\n"
        "  fix: return the model that pax.purecall(model, x) gave back, with aux before it: "
        "`return loss, (aux, model)`; aux may be None."
    )


STRUCTURE = (
    "the loss function returned a model of another structure than it was given; given against "
    "returned: {}.\n"
    "  fix: return the model that pax.purecall(model, x) gave back; change modes, layers and "
    "attributes outside of the loss function."
)


def test_a_model_of_another_structure() -> None:
    other = pax.Linear(1, 1)

    def fn(model: Any) -> Any:
        changed = model.eval().replace(b=[other], c=3)
        return jnp.mean(model.a.weight), (None, changed)

    net = Box(a=pax.Linear(3, 2), b=[pax.Linear(2, 2), normal(1)], c=2)
    with pytest.raises(ValueError) as error:
        pax.build_update_fn(fn)(net, adam(net))
    assert str(error.value) == STRUCTURE.format(
        "`training`: True against False, `c`: 2 against 3, `a.training`: True against False, "
        "`b`: children 0, 1 against children 0, `b.0.in_dim`: 2 against 1, "
        "`b.0.out_dim`: 2 against 1"
    )


def test_at_most_twenty_differences_are_named() -> None:
    net = Box(layers=[Dense(2, 2, seed=2 * i) for i in range(25)])
    update = pax.build_update_fn(lambda m: (jnp.sum(m.layers[0].weight), (None, m.eval())))
    with pytest.raises(pax.StructureError) as error:
        update(net, adam(net))
    paths = ["training", *(f"layers.{i}.training" for i in range(19))]
    named = ", ".join(f"`{path}`: True against False" for path in paths)
    assert str(error.value) == STRUCTURE.format(f"{named} and 6 more")


class Momentum(pax.StateModule):
    """Stands for what opax.sgd returns: a class."""


@pytest.mark.usefixtures("unchecked")
def test_what_the_functions_take() -> None:
    net = pax.Linear(3, 2)
    update = pax.build_update_fn(loss_fn)
    in_scan = pax.build_update_fn(loss_fn, scan_mode=True)
    module = "the update function got {} as `{}`; expected a module.\n  fix: {}"
    cases = [
        (
            lambda: pax.build_update_fn(3),  # type: ignore[call-overload]
            "build_update_fn got 3, which cannot be called.\n"
            "  fix: pass a function of the model that returns (loss, (aux, model)).",
        ),
        (
            lambda: update((net, adam(net)), *data(6)),
            module.format("tuple", "model", "pass the model itself."),
        ),
        (
            lambda: update(net, optax.sgd(0.1), *data(6)),
            module.format(
                "GradientTransformationExtraArgs",
                "optimizer",
                "make a module of it: pax.optim.Optimizer(optax.adam(1e-3), model).",
            ),
        ),
        (
            lambda: update(net, Momentum, *data(6)),
            module.format(
                "the class Momentum",
                "optimizer",
                "make one of it first; an optimizer is made of the parameters.",
            ),
        ),
        (
            lambda: in_scan(net, adam(net), *data(6)),
            "the update function, in scan mode, got Linear as its first argument; expected the "
            "tuple (model, optimizer).\n"
            "  fix: write update((model, optimizer), inputs), or build it without scan_mode.",
        ),
    ]
    for call, text in cases:
        with pytest.raises(pax.ArgumentError) as error:
            call()
        assert str(error.value) == text
