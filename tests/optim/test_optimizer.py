"""`pax.optim.Optimizer`: any optax transformation, with its state, as a module."""

from __future__ import annotations

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import pax
from tests.core.samples import Box, Counter, normal

SCHEDULE = optax.linear_schedule(0.1, 0.01, 4)


def matrices(params: Any) -> Any:
    return jax.tree.map(lambda p: p.ndim > 1, params)


def kinds(params: Any) -> Any:
    return jax.tree.map(lambda p: "matrix" if p.ndim > 1 else "vector", params)


TRANSFORMATIONS: dict[str, Any] = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": optax.adam(0.1),
    "adamw with a mask": optax.adamw(0.1, weight_decay=0.1, mask=matrices),
    "rmsprop": optax.rmsprop(0.1, centered=True, momentum=0.9),
    "lion": optax.lion(0.01),
    "lamb": optax.lamb(0.1),
    "adafactor": optax.adafactor(0.1, min_dim_size_to_factor=2),
    "clipped": optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.1)),
    "accumulated": optax.MultiSteps(optax.adam(0.1), every_k_schedule=2),
    "if finite": optax.apply_if_finite(optax.adam(0.1), max_consecutive_errors=3),
    "hyperparameters": optax.inject_hyperparams(optax.adam)(learning_rate=SCHEDULE, b1=0.8),
    "partition": optax.partition({"matrix": optax.adam(0.1), "vector": optax.sgd(0.1)}, kinds),
    "masked": optax.masked(optax.sgd(0.1, momentum=0.9), matrices),
    "flat": optax.flatten(optax.adam(0.1)),
    "noise": optax.chain(optax.add_noise(0.1, 0.5, jax.random.key(3)), optax.sgd(0.1)),
    "schedule free": contrib.schedule_free_sgd(0.1),
    "sharpness": contrib.sam(optax.sgd(0.1), optax.sgd(0.05), sync_period=2),
    "with the loss": optax.polyak_sgd(),
    "plateau": optax.chain(optax.sgd(0.1), contrib.reduce_on_plateau(patience=1, cooldown=0)),
}
QUICK = {
    "adam",
    "adamw with a mask",
    "accumulated",
    "hyperparameters",
    "partition",
    "with the loss",
}
TAKE_THE_LOSS = {"with the loss", "plateau"}


class Net(pax.Module):
    """A dense layer, and what no optimizer may see: a frozen layer and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = pax.freeze_parameters(pax.Linear(3, 3))
        self.counter = Counter()
        self.linear = pax.Linear(3, 2)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(self.counter(self.frozen(x)))


def net_loss(net: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean((pax.purecall(net, x)[1] - y) ** 2)


@pytest.mark.parametrize(
    "name",
    [pytest.param(k, marks=[pytest.mark.slow] * (k not in QUICK)) for k in TRANSFORMATIONS],
)
def test_steps_are_those_of_optax(name: str) -> None:
    """The same steps on a dict of the two trainable arrays, with optax alone."""
    transformation = TRANSFORMATIONS[name]
    net, x, y = Net(), normal(5, 3), normal(5, 2, seed=1)
    w, b = net.linear.weight, net.linear.bias

    def step(net: Any, optimizer: Any, params: Any, state: Any) -> Any:
        loss, grads = pax.value_and_grad(net_loss)(net, x, y)
        extra = {"value": loss} if name in TAKE_THE_LOSS else {}
        net, optimizer = pax.optim.apply_gradients(net, optimizer, grads, **extra)
        with jax.numpy_dtype_promotion("standard"):
            plain = {"a": grads.linear.weight, "b": grads.linear.bias}
            updates, state = transformation.update(plain, state, params, **extra)
            params = optax.apply_updates(params, updates)
        return net, optimizer, params, state

    with jax.numpy_dtype_promotion("standard"):
        state = transformation.init({"a": w, "b": b})
    params = {"a": jnp.copy(w), "b": jnp.copy(b)}
    optimizer = pax.optim.Optimizer(transformation, net)
    jitted = jax.jit(step)
    trained, stepped = net, optimizer
    for _ in range(4):
        trained, stepped, params, state = jitted(trained, stepped, params, state)
    np.testing.assert_allclose(trained.linear.weight, params["a"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trained.linear.bias, params["b"], rtol=1e-5, atol=1e-6)
    assert (trained.linear.weight != net.linear.weight).any()
    assert (trained.frozen.weight == net.frozen.weight).all()
    check_module(optimizer, stepped, jax.tree.leaves(state))


def check_module(first: Any, last: Any, leaves: list[Any]) -> None:
    """Checks what holds for an optimizer module whatever it holds."""
    assert [x.shape for x in jax.tree.leaves(last.state)] == [jnp.shape(x) for x in leaves]
    assert pax.assert_structure_equal(last, first)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(last), strict=True):
        assert jax.typeof(a) == jax.typeof(b)
    assert last.scan_bugs() is last
    assert jax.tree.leaves(last.parameters()) == []
    assert last.load_state_dict(last.state_dict()) == last


def test_there_is_no_place_for_what_is_frozen() -> None:
    net = Net()
    optimizer = pax.optim.Optimizer(optax.adam(0.1), net)
    mu, nu = optimizer.state[0].mu, optimizer.state[0].nu
    for moment in (mu, nu):
        assert jax.tree.map(jnp.shape, moment.linear) == jax.tree.map(
            jnp.shape, net.linear.parameters()
        )
        assert jax.tree.leaves((moment.frozen, moment.counter)) == []
    assert len(jax.tree.leaves(optimizer)) == 2 * 2 + 1  # moments; the count
    of_parameters = pax.optim.Optimizer(optax.adam(0.1), net.parameters())
    assert jax.tree.structure(of_parameters.state) == jax.tree.structure(optimizer.state)


def test_a_call_returns_updates_to_subtract() -> None:
    net = pax.Linear(3, 2)
    grads = net.parameters().map(jnp.cos)
    transformation = optax.sgd(0.1, momentum=0.5)
    optimizer = pax.optim.Optimizer(transformation, net)
    changed, updates = pax.purecall(optimizer, grads, params=net.parameters())
    expected, _ = transformation.update(grads, transformation.init(net.parameters()))
    np.testing.assert_array_equal(updates.weight, -expected.weight)
    np.testing.assert_array_equal(changed.state[0].trace.bias, grads.bias)
    np.testing.assert_array_equal(optimizer.state[0].trace.bias, jnp.zeros(2))
    with pytest.raises(pax.PurityError):
        optimizer(grads)


def test_a_line_search_takes_a_function_of_the_parameters() -> None:
    """L-BFGS finds the least squares, which NumPy computes at once."""
    x, y, net = normal(20, 3), normal(20, 1, seed=1), pax.Linear(3, 1)

    @jax.jit
    def step(net: Any, optimizer: Any) -> Any:
        def value_fn(params: Any) -> jax.Array:
            return jnp.mean((net.update_parameters(params)(x) - y) ** 2)

        loss, grads = pax.value_and_grad(value_fn)(net.parameters())
        extra = {"value": loss, "grad": grads, "value_fn": value_fn}
        return pax.optim.apply_gradients(net, optimizer, grads, **extra)

    optimizer = pax.optim.Optimizer(optax.lbfgs(), net)
    for _ in range(12):
        net, optimizer = step(net, optimizer)
    assert step._cache_size() == 1
    columns = np.concatenate([x, np.ones((20, 1))], axis=1)
    best = np.linalg.lstsq(columns, np.asarray(y), rcond=None)[0]
    np.testing.assert_allclose(net.weight, best[:3], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(net.bias, best[3], rtol=1e-3, atol=1e-4)


def test_any_tree_of_arrays_will_do() -> None:
    params = {"w": normal(3, 2), "b": [normal(2)]}
    optimizer = pax.optim.Optimizer(optax.adam(0.1), params)
    grads = jax.tree.map(jnp.sin, params)
    optimizer, updates = pax.purecall(optimizer, grads, params=params)
    np.testing.assert_allclose(updates["b"][0], 0.1 * jnp.sign(params["b"][0]), rtol=1e-5)


def test_the_transformation_is_static_and_kept() -> None:
    net, transformation = pax.Linear(3, 2), optax.adam(0.1)
    first, second = (pax.optim.Optimizer(transformation, net) for _ in range(2))
    assert first.transformation is transformation
    assert pax.assert_structure_equal(first, second)
    assert pax.assert_structure_equal(first, copy.deepcopy(first))
    assert first.summary() == "Optimizer"
    assert first.pytree_attributes == ("state",)


# -- what the state holds ----------------------------------------------------------------------


def keeps(state: Any, update: Any = None) -> optax.GradientTransformation:
    """Returns a transformation that keeps a state of some form and changes nothing."""
    init = state if callable(state) else lambda params: state
    return optax.GradientTransformation(init, update or (lambda g, s, p=None: (g, s)))


def test_no_array_stands_at_two_places() -> None:
    one = normal(2)
    optimizer = pax.optim.Optimizer(keeps((one, {"again": one})), pax.Linear(3, 2))
    assert optimizer.state[0] is not optimizer.state[1]["again"]
    np.testing.assert_array_equal(optimizer.state[0], optimizer.state[1]["again"])

    def twice(grads: Any, state: Any, params: Any = None) -> Any:
        return grads, (grads.bias, {"again": grads.bias})

    net = pax.Linear(3, 2)
    optimizer = pax.optim.Optimizer(keeps((one, {"again": one}), twice), net)
    for run in (pax.purecall, jax.jit(pax.purecall)):
        changed, _ = run(optimizer, net.parameters())
        np.testing.assert_array_equal(changed.state[1]["again"], net.bias)


def test_the_parameters_are_not_in_the_state_themselves() -> None:
    """Else a step that is given the memory of both could not have it."""
    net = pax.Linear(3, 2)
    optimizer = pax.optim.Optimizer(keeps(lambda params: (params, jax.random.key(0))), net)
    assert optimizer.state[0].weight is not net.weight
    np.testing.assert_array_equal(optimizer.state[0].weight, net.weight)

    def loss_fn(net: Any, x: jax.Array) -> Any:
        return jnp.mean(net(x) ** 2), (None, net)

    update = jax.jit(pax.build_update_fn(loss_fn), donate_argnums=(0, 1))
    weight = net.weight
    update(net, optimizer, normal(5, 3))
    assert weight.is_deleted()


def test_numbers_in_a_state_become_arrays() -> None:
    state = (0, 0.5, np.float32(2), np.arange(2, dtype=np.int32), "text", None)
    optimizer = pax.optim.Optimizer(keeps(state), pax.Linear(3, 2))
    arrays = optimizer.state[:4]
    assert all(isinstance(x, jax.Array) for x in arrays)
    assert [x.dtype.name for x in arrays] == ["int32", "float32", "float32", "int32"]
    assert optimizer.state[4:] == ("text", None)


def test_optax_computes_with_standard_promotion() -> None:
    """Adam raises a float to the power of an integer count, which the bench does not allow."""
    net = pax.Linear(3, 2)
    adam = optax.adam(0.1)
    with pytest.raises(jax.dtypes.TypePromotionError):
        adam.update(net.parameters(), adam.init(net.parameters()))
    optimizer, _ = pax.purecall(pax.optim.Optimizer(adam, net), net.parameters())
    assert optimizer.state[0].count == 1
    with pytest.raises(jax.dtypes.TypePromotionError):
        jnp.ones(2) + jnp.arange(2)


# -- what can be read --------------------------------------------------------------------------


def test_the_learning_rate_is_that_of_the_last_step() -> None:
    net = pax.Linear(3, 2)
    inject = optax.inject_hyperparams(optax.sgd)
    chained = optax.chain(optax.clip(10.0), inject(learning_rate=SCHEDULE))
    optimizer = pax.optim.Optimizer(chained, net)
    rates = [optimizer.learning_rate]
    for _ in range(3):
        optimizer, updates = pax.purecall(optimizer, net.parameters())
        rates.append(optimizer.learning_rate)
        np.testing.assert_allclose(updates.weight, rates[-1] * net.weight, rtol=1e-5)
    np.testing.assert_allclose(rates, [SCHEDULE(n) for n in (0, 0, 1, 2)], rtol=1e-6)


def test_the_learning_rate_may_be_set() -> None:
    net = pax.Linear(3, 2)
    injected = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    optimizer = pax.optim.Optimizer(injected, net)
    state = optax.tree_utils.tree_set(optimizer.state, learning_rate=jnp.array(0.25))
    optimizer = optimizer.replace(state=state)
    optimizer, updates = jax.jit(pax.purecall)(optimizer, net.parameters())
    assert optimizer.learning_rate == 0.25
    np.testing.assert_allclose(updates.weight, 0.25 * net.weight, rtol=1e-6)


def test_the_learning_rate_of_a_batch_of_optimizers() -> None:
    net = pax.Linear(3, 2)
    injected = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    optimizer = pax.optim.Optimizer(injected, net)

    def step(rate: jax.Array) -> Any:
        state = optax.tree_utils.tree_set(optimizer.state, learning_rate=rate)
        return pax.purecall(optimizer.replace(state=state), net.parameters())

    rates = jnp.array([0.1, 0.3])
    many, updates = jax.vmap(step)(rates)
    np.testing.assert_array_equal(many.learning_rate, rates)
    np.testing.assert_allclose(updates.bias, rates[:, None] * net.bias[None], rtol=1e-6)
    np.testing.assert_allclose(updates.weight[1], 0.3 * net.weight, rtol=1e-6)


def test_no_learning_rate_or_several() -> None:
    with pytest.raises(pax.ArgumentError) as error:
        _ = pax.optim.Optimizer(optax.adam(SCHEDULE), pax.Linear(3, 2)).learning_rate
    assert str(error.value) == (
        "the state of the optimizer holds no learning rate.\n"
        "  fix: build it with optax.inject_hyperparams(optax.adam)(learning_rate=1e-3), a number "
        "or a schedule."
    )
    one = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    two = optax.partition({"matrix": one, "vector": one}, kinds)
    with pytest.raises(pax.ArgumentError) as error:
        _ = pax.optim.Optimizer(two, pax.Linear(3, 2)).learning_rate
    assert str(error.value) == (
        "the state of the optimizer holds 2 learning rates.\n"
        "  fix: read the one you mean from `optimizer.state`."
    )


@pytest.mark.parametrize(
    "dtype",
    [
        *(pytest.param(t, marks=pytest.mark.slow) for t in (jnp.float32, jnp.bfloat16)),
        *(jnp.float16, jnp.complex64),
    ],
)
def test_the_gradient_norm(dtype: Any) -> None:
    """Half-precision squares would overflow: 300 ** 2 is beyond float16."""
    grads = {"a": (300 * normal(7)).astype(dtype), "b": (300 * normal(2, 3, seed=1)).astype(dtype)}
    recorded = optax.chain(pax.optim.record_gradient_norm(), optax.sgd(0.1))
    optimizer = pax.optim.Optimizer(recorded, grads)
    assert optimizer.gradient_norm == 0
    changed, _ = pax.purecall(optimizer, grads)
    wide = [np.asarray(g).astype(np.complex128) for g in grads.values()]
    expected = np.sqrt(sum(np.sum(np.abs(g) ** 2) for g in wide))
    np.testing.assert_allclose(changed.gradient_norm, expected, rtol=1e-6)
    assert changed.gradient_norm.dtype == jnp.float32
    assert pax.purecall(pax.optim.Optimizer(recorded, {}), {})[0].gradient_norm == 0


def test_a_norm_that_nobody_keeps() -> None:
    with pytest.raises(pax.ArgumentError) as error:
        _ = pax.optim.Optimizer(optax.adam(1e-3), pax.Linear(3, 2)).gradient_norm
    assert str(error.value) == (
        "the state of the optimizer holds no gradient norm.\n"
        "  fix: build it with optax.chain(pax.optim.record_gradient_norm(), optax.adam(1e-3))."
    )


def test_a_gradient_goes_through_steps() -> None:
    """What learning to learn needs; the norm, with its infinite slope at 0, is in no one's way."""
    net, x = pax.Linear(3, 2), normal(5, 3)

    def after(rate: jax.Array) -> jax.Array:
        transformation = optax.sgd(lambda count: rate)
        update = pax.build_update_fn(lambda net, x: (jnp.sum(net(x)), (None, net)), scan_mode=True)
        carry = net, pax.optim.Optimizer(transformation, net)
        (changed, _), _ = jax.lax.scan(update, carry, jnp.zeros((3, 5, 3)))
        return jnp.sum(changed(x))

    slope = jax.grad(after)(jnp.array(0.1))
    np.testing.assert_allclose(slope, -3 * 2 * 5 * 5.0, rtol=1e-5)


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [3, None, optax.adam])
def test_what_is_no_transformation(wrong: Any) -> None:
    with pytest.raises(pax.ArgumentError) as error:
        pax.optim.Optimizer(wrong, pax.Linear(3, 2))
    assert str(error.value) == (
        f"Optimizer got {wrong!r}; expected an optax transformation.\n"
        "  fix: build it first: pax.optim.Optimizer(optax.adam(1e-3), model)."
    )


def test_gradients_of_other_parameters() -> None:
    net = Box(a=pax.Linear(3, 2), b=pax.Linear(2, 2))
    optimizer = pax.optim.Optimizer(optax.adam(0.1), net)
    other = net.replace(a=pax.freeze_parameters(net.a), b=net.b.eval())
    with pytest.raises(pax.StructureError) as error:
        pax.purecall(optimizer, other.parameters())
    assert str(error.value) == (
        "the optimizer was made for parameters of another structure than the gradients have; its "
        "own against theirs: `a`: Linear against Linear with another parameters, "
        "`b.training`: True against False.\n"
        "  at: model\n"
        "  fix: freeze, replace and switch modes first, then make the optimizer of that model."
    )


def test_a_gradient_through_steps_does_not_go_through_the_norm() -> None:
    recorded = optax.chain(pax.optim.record_gradient_norm(), optax.sgd(0.1))
    optimizer = pax.optim.Optimizer(recorded, normal(3))

    @jax.grad
    def through(grads: jax.Array) -> jax.Array:
        changed, updates = pax.purecall(optimizer, grads)
        return updates.sum() + changed.gradient_norm

    # at zero the norm has no gradient, and a loop over steps would make NaN of it
    np.testing.assert_allclose(through(jnp.zeros(3)), [0.1] * 3, rtol=1e-6)
