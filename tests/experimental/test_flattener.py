"""Flatteners: trees go in, lists of leaves cross, trees come out."""

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

import pax
from pax.experimental import Flattener
from tests.core.samples import same_leaves

#: Optimizers of other packages count in integers and multiply by floats.
as_by_default = jax.numpy_dtype_promotion("standard")

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((8, 3), np.float32))
Y = X @ jnp.asarray(RNG.standard_normal((3, 2), np.float32))


def network() -> pax.Module:
    """Returns a network with weights, a key, a list that mixes layers and functions."""

    class Net(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [pax.Linear(3, 4), jnp.tanh, pax.Dropout(0.1)]
            self.head = pax.Linear(4, 2)

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return self.head(x)

    return Net()


def loss_fn(model: Any, x: Any, y: Any) -> Any:
    """Returns the mean squared error, and the model as the call left it."""
    model, predicted = pax.purecall(model, x)
    return jnp.mean((predicted - y) ** 2), model


def test_trees_come_back_as_they_were() -> None:
    trees = {
        "model": network(),
        "frozen": pax.BatchNorm1D(3).parameters(),
        "state": optax.adam(1e-3).init(network().parameters()),
        "nested": {"a": [X, None], "b": (pax.EmptyNode(), {"c": Y})},
        "key": jax.random.key(3),
        "raw_key": jax.random.PRNGKey(3),
        "array": X,
        "number": 3,
        "nothing": None,
        "host": np.arange(3),
    }
    flat = Flattener(**trees)
    for name, tree in trees.items():
        back = getattr(flat, name)
        assert jax.tree.structure(back) == jax.tree.structure(tree)
        assert same_leaves(back, tree)
    assert same_leaves(flat, list(trees.values()))
    assert flat.number == 3
    assert flat.nothing is None
    assert flat.array is X


def test_a_compiled_function_takes_it_and_returns_it() -> None:
    flat = Flattener(model=network(), key=jax.random.key(0), count=0)
    out = jax.jit(lambda flat: flat.update(count=flat.count + 1))(flat)
    assert isinstance(out, Flattener)
    assert jax.tree.structure(out) == jax.tree.structure(flat)
    assert int(out.count) == 1
    np.testing.assert_array_equal(out.model.head.weight, flat.model.head.weight)
    assert out.key == flat.key


def test_update_replaces_some_trees_and_leaves_the_old_flattener() -> None:
    first, second = pax.Linear(3, 2), pax.Linear(3, 2)
    flat = Flattener(model=first, other=X)
    new = flat.update(model=second)
    assert (flat.model, new.model) == (first, second)
    assert new.other is X
    assert flat.update().model == first


class Node:
    """A tree of its own kind that counts how often JAX takes it apart or compares it."""

    taken_apart = 0

    def __init__(self, leaf: Any, static: Static) -> None:
        self.leaf, self.static = leaf, static


class Static:
    """A static part that is equal to others, and counts how often it is asked."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Static.compared += 1
        return isinstance(other, Static)

    def __hash__(self) -> int:
        return 1


def take_apart(node: Node) -> Any:
    Node.taken_apart += 1
    return (node.leaf,), node.static


jax.tree_util.register_pytree_node(Node, take_apart, lambda static, leaf: Node(*leaf, static))


def test_a_call_costs_the_leaves_alone() -> None:
    traces = 0

    @jax.jit
    def step(flat: Flattener) -> Any:
        nonlocal traces
        traces += 1
        node = flat.node
        return flat.update(node=Node(node.leaf + 1, Static()))

    flat = Flattener(node=Node(X, Static()))
    flat = step(step(flat))
    Node.taken_apart = Static.compared = 0
    for _ in range(10):
        flat = step(flat)
    assert (traces, Node.taken_apart, Static.compared) == (1, 0, 0)
    np.testing.assert_allclose(flat.node.leaf, X + 12, rtol=1e-5)


@as_by_default
def test_training_with_optax() -> None:
    optimizer = optax.adam(0.05)
    model = network()
    traces = 0

    @jax.jit
    def step(flat: Flattener, x: Any, y: Any) -> tuple[Flattener, Any]:
        nonlocal traces
        traces += 1
        model = flat.model
        (loss, model), grads = pax.value_and_grad(loss_fn, has_aux=True)(model, x, y)
        updates, state = optimizer.update(grads, flat.state)
        params = optax.apply_updates(model.parameters(), updates)
        return flat.update(model=model.update_parameters(params), state=state), loss

    flat = Flattener(model=model, state=optimizer.init(model.parameters()))
    losses = []
    for _ in range(10):
        flat, loss = step(flat, X, Y)
        losses.append(float(loss))
    assert traces == 1
    assert losses[-1] < 0.5 * losses[0]
    assert (flat.model.layers[2].rng_key != model.layers[2].rng_key).any()


@as_by_default
def test_training_with_opax_in_a_loop() -> None:
    model = network()
    flat = Flattener(model=model, optimizer=opax.adam(0.05)(model.parameters()))

    def step(flat: Flattener, batch: Any) -> tuple[Flattener, Any]:
        (loss, model), grads = pax.value_and_grad(loss_fn, has_aux=True)(flat.model, *batch)
        model, optimizer = opax.apply_gradients(model, flat.optimizer, grads)
        return flat.update(model=model, optimizer=optimizer), loss

    batches = (jnp.stack([X] * 10), jnp.stack([Y] * 10))
    out, losses = jax.jit(lambda flat: jax.lax.scan(step, flat, batches))(flat)
    assert losses[-1] < 0.5 * losses[0]
    assert pax.assert_structure_equal(out.optimizer, flat.optimizer)


def test_vmap_and_maps_reach_the_leaves() -> None:
    flat = Flattener(a={"x": X}, b=Y)
    doubled = jax.tree.map(lambda x: 2 * x, flat)
    np.testing.assert_array_equal(doubled.a["x"], 2 * X)
    sums = jax.vmap(lambda flat: flat.a["x"].sum() + flat.b.sum())(flat)
    np.testing.assert_allclose(sums, X.sum(1) + Y.sum(1), rtol=1e-5)
    shapes = jax.eval_shape(lambda flat: flat, flat)
    assert shapes.a["x"] == jax.ShapeDtypeStruct((8, 3), jnp.float32)


def test_trees_may_have_arrays_in_common() -> None:
    model = pax.Linear(3, 2)
    flat = Flattener(model=model, average=model, pair=[X, X])
    flat = jax.jit(lambda flat: flat.update(model=flat.average, average=flat.average))(flat)
    np.testing.assert_array_equal(flat.model.weight, flat.average.weight)
    assert flat.model.scan_bugs()


def test_paths_of_leaves_begin_with_the_name() -> None:
    leaves = jax.tree_util.tree_leaves_with_path(Flattener(model=pax.Linear(3, 2), x=X))
    assert [jax.tree_util.keystr(path) for path, _ in leaves] == [
        ".model.weight", ".model.bias", ".x",
    ]  # fmt: skip


def test_two_made_alike_are_one_program() -> None:
    traces = 0

    @jax.jit
    def run(flat: Flattener) -> Any:
        nonlocal traces
        traces += 1
        return flat.model(X)

    for _ in range(3):
        run(Flattener(model=pax.Linear(3, 2)))
    assert traces == 1
    run(Flattener(model=pax.Linear(3, 2, with_bias=False)))
    assert traces == 2


def test_copies_and_pickles() -> None:
    flat = Flattener(model=pax.Sequential(pax.Linear(3, 2), jax.nn.relu), x=X, n=None)
    for copied in (copy.copy(flat), copy.deepcopy(flat), pickle.loads(pickle.dumps(flat))):
        assert jax.tree.structure(copied) == jax.tree.structure(flat)
        np.testing.assert_array_equal(copied.x, X)
        np.testing.assert_array_equal(copied.model(X), flat.model(X))
    assert same_leaves(copy.copy(flat), flat)


def test_printed_form() -> None:
    flat = Flattener(model=pax.Linear(3, 2), x=X)
    assert repr(flat) == "Flattener(leaves: model: 2, x: 1)"
    assert repr(Flattener()) == "Flattener()"
    assert {"model", "x", "update", "parameters"} <= set(dir(flat))


def test_no_trees() -> None:
    assert jax.tree.leaves(jax.jit(lambda flat: flat)(Flattener())) == []


def test_it_has_no_parameters() -> None:
    with pytest.raises(ValueError) as raised:
        Flattener(model=pax.Linear(3, 2)).parameters()
    assert str(raised.value) == (
        "a Flattener has no parameters; it carries trees and is no module.\n"
        "  fix: ask the tree for them: flattener.model.parameters()."
    )
    with pytest.raises(ValueError, match="got Flattener as its first argument"):
        pax.grad(lambda flat: flat.x.sum())(Flattener(x=X))


@pytest.mark.parametrize("name", ["update", "parameters", "_leaves", "__class__", "_mine"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(pax.ArgumentError) as raised:
        Flattener(**{"model": X, name: X})
    assert str(raised.value) == (
        f"Flattener got a tree named `{name}`; a name that begins with an underscore, or that of "
        "a method, cannot be the attribute.\n"
        "  fix: rename it: Flattener(model=..., optimizer=...)."
    )


def test_names_that_it_does_not_have() -> None:
    flat = Flattener(model=X, optimizer=Y)
    with pytest.raises(AttributeError) as missing:
        flat.modle  # noqa: B018
    assert str(missing.value) == (
        "Flattener has no tree named `modle`; it has `model`, `optimizer`."
    )
    assert not hasattr(flat, "_model")
    with pytest.raises(pax.ArgumentError) as raised:
        flat.update(modle=X, self=Y)
    assert str(raised.value) == (
        "Flattener.update got `modle`, `self`; the flattener has `model`, `optimizer`.\n"
        "  fix: check the name; give all trees when you make it: "
        "Flattener(model=..., other=...)."
    )


def test_a_tree_of_another_structure_is_taken_and_compiled_for() -> None:
    traces = []

    @jax.jit
    def run(flat: Flattener) -> jax.Array:
        traces.append(flat.model.training)
        return flat.model(X)

    flat = Flattener(model=pax.Linear(X.shape[-1], 2), x=X)
    evaluated = flat.update(model=flat.model.eval())
    for each in (flat, flat.update(x=X * 2), evaluated, evaluated.update(x=X)):
        run(each)
    assert traces == [True, False]
    assert jax.tree.leaves(evaluated.model)[0] is jax.tree.leaves(flat.model)[0]


def test_assignment_says_what_to_write() -> None:
    flat = Flattener(model=X)
    with pytest.raises(pax.PurityError) as raised:
        flat.model = Y
    assert str(raised.value) == (
        "setting `model` of a Flattener was tried; a flattener does not change.\n"
        "  fix: take the new one: flattener = flattener.update(model=...)."
    )
    with pytest.raises(pax.PurityError) as raised:
        del flat.model
    assert str(raised.value) == (
        "deleting `model` of a Flattener was tried; a flattener does not change.\n"
        "  fix: make a new Flattener of the trees to keep."
    )
