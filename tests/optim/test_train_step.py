"""`build_train_step`: one program, that writes the new state over the old one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import opax
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import pax
from tests.core.samples import Box, normal
from tests.counting import count_compilations
from tests.optim.samples import ADAM, STEP, Net, data, loss_fn


def assert_close(a: Any, b: Any) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=2e-6)


def buffers(state: pax.TrainState) -> list[int]:
    """Returns where the arrays are in memory."""
    return [x.unsafe_buffer_pointer() for x in jax.tree_util.tree_leaves(state)]


def test_ten_steps_are_those_of_build_update_fn_traced_and_compiled_once() -> None:
    net, (x, y) = Net(), data(6)
    expected, optimizer = net, pax.optim.Optimizer(ADAM, net)
    update = jax.jit(pax.build_update_fn(loss_fn))
    traces = 0

    def counted(*args: Any) -> Any:
        nonlocal traces
        traces += 1
        return loss_fn(*args)

    step = pax.build_train_step(counted)
    state = pax.TrainState(net, ADAM)
    update(net, optimizer, x, y)
    with count_compilations() as compilations:
        for i in range(10):
            expected, optimizer, aux = update(expected, optimizer, x, y)
            used, before = state, buffers(state)
            state, mine = step(state, x, y)
            assert int(state.step) == i + 1
            assert buffers(state) == before  # written over the old ones, and nothing copied
            assert all(a.is_deleted() for a in used._leaves)
            np.testing.assert_allclose(mine["loss"], aux["loss"], rtol=1e-5)
    assert (traces, compilations.count) == (1, 1)
    assert_close((state.model, state.optimizer), (expected, optimizer))
    assert not any(a.is_deleted() for a in jax.tree.leaves(net))


def test_the_program_takes_what_it_reads_and_reuses_all_of_it() -> None:
    net = pax.Sequential(pax.Linear(3, 4), jnp.tanh, pax.freeze_parameters(pax.Linear(4, 2)))
    state, (x, y) = pax.TrainState(net, ADAM), data(6)
    step = pax.build_train_step(loss_fn)
    leaves = jax.tree.leaves((state, x, y))
    compiled = step.lower(state, x, y).compile()
    program = compiled.as_text()
    entry = program[program.index("\nENTRY ") :]
    assert entry.count(" parameter(") == len(leaves)
    assert " copy(" not in program
    reused = compiled.memory_analysis().alias_size_in_bytes
    assert reused == sum(a.nbytes for a in leaves) - x.nbytes - y.nbytes


def test_arrays_on_a_mesh_stay_there_and_compile_once() -> None:
    mesh = jax.make_mesh((8,), ("x",), (jax.sharding.AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec(None, "x"))
    net = Box(wide=pax.Linear(3, 16), out=pax.Linear(16, 2))
    net = net.replace(wide=net.wide.replace(weight=jax.device_put(net.wide.weight, split)))

    def loss_fn(model: Any, x: jax.Array, y: jax.Array) -> Any:
        loss = jnp.mean((model.out(jnp.tanh(model.wide(x))) - y) ** 2)
        return loss, (loss, model)

    batch = jax.device_put(data(8), NamedSharding(mesh, PartitionSpec("x")))
    step = pax.build_train_step(loss_fn)
    state = pax.TrainState(net, ADAM)
    with count_compilations() as compilations:
        for _ in range(3):
            state, _ = step(state, *batch)
    assert compilations.count == 1
    assert state.model.wide.weight.sharding == split
    assert state.model.wide.bias.sharding == NamedSharding(mesh, PartitionSpec())
    state = state.replace(model=pax.freeze_parameters(state.model), optimizer=state.optimizer)
    assert state.replace(step=3).step.sharding == NamedSharding(mesh, PartitionSpec())


def test_weak_types_compile_once() -> None:
    class Flag(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = pax.Linear(3, 2)
            self.flag = jnp.array(0.5)

        def __call__(self, x: jax.Array) -> jax.Array:
            y = self.fc(x) * self.flag
            self.flag = jnp.array(2.0)  # weak at the end of each call
            return y

    state, step = pax.TrainState(Flag(), ADAM), pax.build_train_step(loss_fn)
    x, y = data(6)
    with count_compilations() as compilations:
        for _ in range(3):
            state, _ = step(state, x, y)
    assert compilations.count == 1
    assert state.model.flag == 2.0


def test_a_step_of_ones_own_in_a_loop() -> None:
    plateau = optax.chain(optax.sgd(0.1), optax.contrib.reduce_on_plateau(patience=2))
    xs, ys = data(4, 6)
    traces = 0

    def body(state: pax.TrainState, batch: Any) -> tuple[pax.TrainState, jax.Array]:
        nonlocal traces
        traces += 1
        grad = pax.value_and_grad(loss_fn, has_aux=True)
        (loss, (_, model)), grads = grad(state.model, *batch)
        return state.apply_gradients(grads, model=model, value=loss), loss

    state = pax.TrainState(pax.Linear(3, 2), plateau)
    run = jax.jit(lambda state: jax.lax.scan(body, state, (xs, ys)), donate_argnums=0)
    for count in (4, 8):
        state, losses = run(state)
        assert int(state.step) == count
    assert (traces, losses.shape) == (1, (4,))


def test_without_a_changed_model_the_old_one_is_taken() -> None:
    net = pax.Linear(3, 2)
    grads = net.parameters()
    state = pax.TrainState(net, optax.sgd(0.5)).apply_gradients(grads)
    np.testing.assert_allclose(state.model.weight, 0.5 * net.weight, rtol=1e-6)


def test_the_loss_is_scaled_and_a_step_that_overflows_is_not_taken() -> None:
    half = pax.Policy.parse("params=float32,compute=float16,output=float32")
    net = pax.apply_mp_policy(pax.Linear(3, 2), mp_policy=half)
    state = pax.TrainState(net, ADAM, loss_scale=pax.precision.DynamicLossScale(2.0**10))
    x, y = data(6)
    state, aux = STEP(state, x, y)
    plain, expected = STEP(pax.TrainState(net, ADAM), x, y)
    np.testing.assert_allclose(aux["loss"], expected["loss"], rtol=1e-6)
    np.testing.assert_allclose(state.model.weight, plain.model.weight, rtol=1e-3)
    before = np.asarray(state.model.weight)
    state, _ = STEP(state, x * 1e4, y)
    np.testing.assert_array_equal(state.model.weight, before)
    assert (int(state.step), float(state.loss_scale.loss_scale)) == (2, 512.0)


def test_an_optimizer_of_another_package() -> None:
    net, (x, y) = pax.Linear(3, 2), data(6)
    step = pax.build_train_step(loss_fn)
    with jax.numpy_dtype_promotion("standard"):
        state = pax.TrainState(net, opax.adam(0.05)(net.parameters()))
        with count_compilations() as compilations:
            losses = [0.0] * 5
            for i in range(5):
                state, aux = step(state, x, y)
                losses[i] = float(aux["loss"])
    assert compilations.count == 1
    assert losses == sorted(losses, reverse=True)


def test_many_models_at_once() -> None:
    x, y = data(6)
    nets = [pax.Linear(3, 2) for _ in range(3)]
    stacked = jax.tree.map(lambda *xs: jnp.stack(xs), *nets)
    states = jax.vmap(lambda net: pax.TrainState(net, ADAM))(stacked)
    states, _ = jax.jit(jax.vmap(STEP, in_axes=(0, None, None)))(states, x, y)
    assert states.step.tolist() == [1, 1, 1]
    alone, _ = STEP(pax.TrainState(nets[1], ADAM), x, y)
    np.testing.assert_allclose(states.model.weight[1], alone.model.weight, rtol=1e-5)


def test_stacked_layers() -> None:
    net = pax.Stack(lambda: pax.Linear(3, 3), 4)

    def loss_fn(model: Any, x: jax.Array) -> Any:
        model, y = pax.purecall(model, x)
        return jnp.mean(y**2), (None, model)

    state, step = pax.TrainState(net, ADAM), pax.build_train_step(loss_fn)
    used, before, (x, _) = state, buffers(state), data(6)
    with count_compilations() as compilations:
        for _ in range(2):
            state, _ = step(state, x)
    assert compilations.count == 1
    assert buffers(state) == before
    assert used._leaves[0].is_deleted()


@pytest.mark.usefixtures("unchecked")
def test_what_it_takes() -> None:
    net = pax.Linear(3, 2)
    with pytest.raises(pax.ArgumentError) as error:
        pax.build_train_step(3)  # type: ignore[arg-type]
    assert str(error.value) == (
        "build_train_step got 3, which cannot be called.\n"
        "  fix: pass a function of the model that returns (loss, (aux, model))."
    )
    with pytest.raises(pax.ArgumentError) as error:
        pax.build_train_step(loss_fn)(net, *data(6))
    assert str(error.value) == (
        "the training step got Linear as its first argument; expected a TrainState.\n"
        "  fix: make one first: state = pax.TrainState(model, optax.adam(1e-3))."
    )
    with pytest.raises(pax.ArgumentError) as error:
        pax.build_train_step(lambda model: normal(2).sum())(pax.TrainState(net, ADAM))
    assert str(error.value) == (
        "the loss function returned an array; expected (loss, (aux, model)).\n"
        "  fix: return the model that pax.purecall(model, x) gave back, with aux before it: "
        "`return loss, (aux, model)`; aux may be None."
    )
