"""`TrainState`: what it holds, copies and refuses."""

from __future__ import annotations

import copy
import pickle
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
from tests.optim.samples import ADAM, STEP, Net, data


class Momentum(pax.StateModule):
    """An optimizer that is a module, found by name when it is unpickled."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        self.trace = jax.tree.map(jnp.zeros_like, params)

    def __call__(self, grads: Any, params: Any = None) -> Any:
        del params
        self.trace = jax.tree.map(lambda g, t: g + 0.9 * t, grads, self.trace)
        return jax.tree.map(lambda t: 0.1 * t, self.trace)


def assert_same(a: Any, b: Any) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_parts_come_back_as_they_were() -> None:
    net = Net()
    optimizer = pax.optim.Optimizer(ADAM, net)
    scale = pax.precision.DynamicLossScale()
    state = pax.TrainState(net, optimizer, loss_scale=scale)
    assert_same([state.model, state.optimizer, state.loss_scale], [net, optimizer, scale])
    assert state.step == 0 and state.step.dtype == jnp.int32
    assert pax.TrainState(net, optimizer).loss_scale is None
    assert state.model is not state.model
    assert state.model == state.model  # the same arrays in a new tree


def test_an_optax_transformation_becomes_an_optimizer_of_the_model() -> None:
    net = Net()
    state = pax.TrainState(net, ADAM)
    assert_same(state.optimizer, pax.optim.Optimizer(ADAM, net))


def test_arrays_are_copied_without_compiling() -> None:
    arrays = {"a": normal(7, 3), "b": np.random.default_rng(0).normal(size=(5, 2)), "n": 3}
    net = Box(key=jax.random.key(3), old=jax.random.PRNGKey(3), **arrays)
    optimizer = pax.optim.Optimizer(ADAM, pax.Linear(3, 2))
    expected = [np.array(net.a), np.array(net.b, np.float32)]
    with count_compilations() as compilations:
        state = pax.TrainState(net, optimizer)
    assert compilations.count == 0
    jax.jit(lambda state: state.replace(step=state.step + 1), donate_argnums=0)(state)
    net.b[...] = 0.0
    assert state._leaves[0].is_deleted()
    assert not any(x.is_deleted() for x in jax.tree.leaves((net, optimizer)) if x is not net.b)
    again = pax.TrainState(net, optimizer).replace(model=net)
    np.testing.assert_array_equal(again.model.a, expected[0])
    net.b[...] = expected[1]
    held = pax.TrainState(net, optimizer)
    net.b[...] = 0.0
    np.testing.assert_array_equal(held.model.b, expected[1])


def test_one_array_at_two_places_becomes_two() -> None:
    net = pax.Linear(3, 2)
    optimizer = Box(weight=net.weight, bias=net.bias)
    state = pax.TrainState(net, optimizer)
    buffers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves((net, state))]
    assert len(set(buffers)) == len(buffers)


def test_weak_types_and_numbers_become_what_a_step_returns() -> None:
    net = Box(weak=jnp.array(2.0), long=np.float64(3.0).reshape(1))
    state = pax.TrainState(net, pax.optim.Optimizer(ADAM, net))
    assert jnp.array(2.0).weak_type
    assert [(x.dtype, x.weak_type) for x in jax.tree.leaves(state.model)] == [
        (jnp.float32, False)
    ] * 2


def test_shardings_are_kept_and_the_rest_is_replicated() -> None:
    mesh = jax.make_mesh((8,), ("x",), (jax.sharding.AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec("x"))
    net = Box(split=jax.device_put(normal(16), split), other=normal(3))
    state = pax.TrainState(net, optax.sgd(0.1))
    assert state.model.split.sharding == split
    for x in (state.model.other, state.step):
        assert x.sharding == NamedSharding(mesh, PartitionSpec()) and x.committed
    assert not pax.TrainState(pax.Linear(3, 2), ADAM).step.committed


def test_one_array_on_a_device_takes_the_rest_there() -> None:
    device = jax.devices()[3]
    net = Box(here=jax.device_put(normal(4), device), other=normal(3))
    for x in jax.tree.leaves(pax.TrainState(net, optax.sgd(0.1))):
        assert x.devices() == {device} and x.committed


def test_on_a_machine_of_one_device_everything_is_there_to_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    state = pax.TrainState(pax.Linear(3, 2), ADAM)
    assert all(x.committed for x in jax.tree.leaves(state))
    assert all(x.devices() == {jax.devices()[0]} for x in jax.tree.leaves(state))


def test_abstract_states() -> None:
    net = Net()
    abstract = jax.eval_shape(lambda net: pax.TrainState(net, ADAM), net)
    real = pax.TrainState(net, ADAM)
    assert jax.tree.structure(abstract) == jax.tree.structure(real)
    for x, y in zip(jax.tree.leaves(abstract), jax.tree.leaves(real), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
    assert abstract.model.layers[1].weight == jax.ShapeDtypeStruct((4, 2), jnp.float32)
    new, aux = jax.eval_shape(STEP, abstract, *data(6))
    assert jax.tree.structure(new) == jax.tree.structure(real)
    assert aux["loss"].shape == ()


def test_it_is_a_pytree_of_arrays_with_paths() -> None:
    state = pax.TrainState(pax.Linear(3, 2), optax.sgd(0.1))
    assert [
        jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)
    ] == [".model.weight", ".model.bias", ".step"]
    doubled = jax.tree.map(lambda x: 2 * x, state)
    np.testing.assert_array_equal(doubled.model.weight, 2 * state.model.weight)


def test_replaced_parts_are_copied() -> None:
    state = pax.TrainState(pax.Linear(3, 2), ADAM)
    other = pax.Linear(3, 2)
    new = state.replace(model=other, step=7)
    assert_same(new.model, other)
    assert (int(new.step), new.step.dtype, int(state.step)) == (7, jnp.int32, 0)
    jax.jit(lambda state: state.replace(step=state.step + 1), donate_argnums=0)(new)
    assert not other.weight.is_deleted()


def test_copies_and_pickles() -> None:
    net = Net()
    state = pax.TrainState(net, Momentum(net.parameters())).replace(step=3)
    for copied in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert_same(copied, state)
    assert copy.deepcopy(state).model.layers[1].weight is not state.model.layers[1].weight
    assert_same(copy.deepcopy(pax.TrainState(net, ADAM)), pax.TrainState(net, ADAM))


def test_printed_form() -> None:
    state = pax.TrainState(pax.Linear(3, 2), optax.sgd(0.1))
    shown = "TrainState(step=0, model=Linear(in_dim=3, out_dim=2, with_bias=True))"
    assert repr(state) == shown
    jax.jit(lambda state: state.replace(step=state.step + 1), donate_argnums=0)(state)
    assert repr(state) == "TrainState(used up)"


USED_UP = (
    "this TrainState went into a step that ran, and its arrays were given to the one that the step "
    "returned.\n"
    "  fix: keep that one: `state, aux = step(state, x)`; to have the old one too, make a copy "
    "before: copy.deepcopy(state)."
)


def test_a_state_that_was_used_up_says_so() -> None:
    state = pax.TrainState(pax.Linear(3, 2), ADAM)
    kept = copy.deepcopy(state)
    STEP(state, *data(6))
    for read in (
        lambda: state.model,
        lambda: state.optimizer,
        lambda: state.loss_scale,
        lambda: state.step,
        lambda: STEP(state, *data(6)),
        lambda: jax.jit(lambda state: state.step)(state),
        lambda: jax.tree.leaves(state),
        lambda: jax.tree_util.tree_leaves_with_path(state),
        lambda: state.replace(step=1),
        lambda: copy.copy(state),
    ):
        with pytest.raises(pax.ArgumentError) as error:
            read()
        assert str(error.value) == USED_UP
    assert_same(STEP(kept, *data(6))[0].step, np.int32(1))


def test_assignment_says_what_to_write() -> None:
    state = pax.TrainState(pax.Linear(3, 2), ADAM)
    with pytest.raises(pax.PurityError) as error:
        state.model = pax.Linear(3, 2)  # type: ignore[misc]
    assert str(error.value) == (
        "setting `model` of a TrainState was tried; a training state does not change.\n"
        "  fix: take the new one: state = state.replace(model=...)."
    )
    with pytest.raises(pax.PurityError) as error:
        del state.step
    assert str(error.value) == (
        "deleting `step` of a TrainState was tried; a training state does not change.\n"
        "  fix: make a new TrainState of the model."
    )


@pytest.mark.usefixtures("unchecked")
def test_what_it_takes() -> None:
    net = pax.Linear(3, 2)
    state = pax.TrainState(net, ADAM)
    cases: list[tuple[Any, str]] = [
        (
            lambda: pax.TrainState(net.parameters, ADAM),  # type: ignore[arg-type]
            "TrainState got method as `model`; expected a module.\n  fix: pass the model itself.",
        ),
        (
            lambda: pax.TrainState(net, opax.adam(0.1)),
            "TrainState got the class Chain as `optimizer`; expected a module.\n"
            "  fix: make one of it first; an optimizer is made of the parameters.",
        ),
        (
            lambda: pax.TrainState(net, ADAM, loss_scale=1024.0),
            "TrainState got float as `loss_scale`; expected an object with the methods `scale`, "
            "`unscale` and `adjust`.\n"
            "  fix: pass pax.precision.DynamicLossScale(); without a scale, leave it out.",
        ),
        (
            lambda: state.replace(step=jnp.array([1])),
            "TrainState.replace got Array([1], dtype=int32) as `step`; expected a whole number.\n"
            "  fix: pass the number of steps taken so far: state.replace(step=1000).",
        ),
        (
            lambda: state.replace(step=0.5),
            "TrainState.replace got 0.5 as `step`; expected a whole number.\n"
            "  fix: pass the number of steps taken so far: state.replace(step=1000).",
        ),
        (
            lambda: state.replace(modle=net),
            "TrainState.replace got `modle`; a training state has model, optimizer, loss_scale, "
            "step.\n"
            "  fix: check the name; to carry more, use a pax.experimental.Flattener.",
        ),
        (
            lambda: state.replace(optimizer=ADAM),
            "TrainState.replace got GradientTransformationExtraArgs as `optimizer`; expected a "
            "module.\n"
            "  fix: make a module of it: pax.optim.Optimizer(optax.adam(1e-3), model).",
        ),
        (
            lambda: state.apply_gradients(net.parameters(), model={}),
            "TrainState.apply_gradients got dict as `model`; expected a module.\n"
            "  fix: pass the model itself.",
        ),
    ]
    for call, text in cases:
        with pytest.raises(pax.ArgumentError) as error:
            call()
        assert str(error.value) == text


def test_a_model_in_another_form() -> None:
    net = Box(a=pax.Linear(3, 2), b=[normal(2), normal(3)])
    state = pax.TrainState(net, ADAM)
    form = (
        "the model comes out of the step in another form; old against new: {}.\n"
        "  fix: let each array keep its shape and dtype; change modes and layers between two "
        "steps: state.replace(model=..., optimizer=...)."
    )
    for model, unlike in (
        (net.eval(), "`training`: True against False, `a.training`: True against False"),
        (
            net.replace(b=[normal(2).astype(jnp.bfloat16), normal(3, 1)]),
            "`b.0`: float32[2] against bfloat16[2], `b.1`: float32[3] against float32[3,1]",
        ),
    ):
        with pytest.raises(pax.StructureError) as error:
            state.apply_gradients(net.parameters(), model=model)
        assert str(error.value) == form.format(unlike)
