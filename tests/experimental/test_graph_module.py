"""Graphs as modules: what is computed, what is held, what is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax.experimental.graph import GraphModule, InputNode, Node, build_graph_module

RNG = np.random.default_rng(0)


def array(*shape: int) -> jax.Array:
    """Returns random normals."""
    return jnp.asarray(RNG.standard_normal(shape, np.float32))


def node(*shape: int) -> InputNode:
    """Returns an input node with a random value."""
    return InputNode(array(*(shape or (2, 3))))


def double(x: Any) -> Any:
    """Doubles a number."""
    return 2 * x


def test_it_computes_what_the_nodes_did_for_any_input() -> None:
    x, y = node(2, 3), node(2, 4)
    fc = pax.Linear(3, 4)
    out = ((x >> fc >> jnp.tanh) | y) >> jnp.multiply
    net = GraphModule([x, y], out)
    np.testing.assert_allclose(net(x.value, y.value), out.value, rtol=1e-6)
    a, b = array(5, 3), array(5, 4)
    np.testing.assert_allclose(net(a, b), jnp.tanh(fc(a)) * b, rtol=1e-6)


def test_every_join_and_operator() -> None:
    x, y, table = node(), node(), array(2, 3)
    first, second = (x & y) >> (lambda pair: (pair[0] + pair[1], pair[0] - pair[1]))
    out = ((first & 2 | second / table) >> (lambda pair, z: pair[0] * pair[1] - z)) ** 2 - y[0:1]
    a, b = array(2, 3), array(2, 3)
    expected = ((a + b) * 2 - (a - b) / table) ** 2 - b[0:1]
    found = GraphModule([x, y], out)(a, b)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_it_holds_the_modules_themselves_in_the_order_of_their_calls() -> None:
    x = node()
    first, second, third = pax.Linear(3, 3), pax.Linear(3, 3), pax.BatchNorm1D(3)
    left = x >> first
    net = GraphModule([x], (left + (x >> second)) >> jax.nn.relu)
    assert net.modules == (first, second)
    assert all(m is n for m, n in zip(net.submodules(), (first, second), strict=True))
    assert net.pytree_attributes == ("modules",)
    assert third not in net.modules
    assert sorted(net.state_dict()) == ["modules"]


def test_a_value_used_by_several_nodes_is_computed_once() -> None:
    calls = []

    def noting(x: Any) -> Any:
        calls.append(x)
        return x + 1

    x = node()
    shared = x >> noting
    net = GraphModule([x], shared + shared * (shared >> jnp.tanh))
    calls.clear()
    a = array(2, 3)
    np.testing.assert_allclose(net(a), (a + 1) + (a + 1) * jnp.tanh(a + 1), rtol=1e-5)
    assert len(calls) == 1


def test_modules_with_state_change_once_a_call_and_only_in_pure() -> None:
    x = node(4, 2, 3)
    norm, dropout = pax.BatchNorm1D(3), pax.Dropout(0.5)
    net = GraphModule([x], x >> norm >> dropout)
    assert net.modules[0] is norm  # as it was before the node was made
    a = array(4, 2, 3)
    after, y = pax.purecall(net, a)
    expected_norm, z = pax.purecall(norm, a)
    expected_dropout, z = pax.purecall(dropout, z)
    np.testing.assert_array_equal(y, z)
    for found, expected in zip(after.modules, (expected_norm, expected_dropout), strict=True):
        for p, q in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_array_equal(p, q)
    with pytest.raises(pax.PurityError) as raised:
        net(a)
    assert raised.value.path == "model.modules.0.ema_mean"
    assert net.eval()(a).shape == (4, 2, 3)
    assert not any(m.training for m in net.eval().modules)
    assert net.eval().train() == net


def test_operands_that_are_arrays_are_children_and_not_trained() -> None:
    x, table = node(), array(2, 3)
    fc = pax.Linear(3, 3)
    net = GraphModule([x], (x * table >> fc) + table)
    assert net.constants == (table,)  # at one place, though used twice
    assert net.constants[0] is table
    assert len(jax.tree.leaves(net.parameters())) == 2
    assert net.parameters().constants == (pax.EmptyNode(),)
    other = net.replace(constants=(table + 1,))
    a = array(2, 3)
    np.testing.assert_allclose(other(a), fc(a * (table + 1)) + (table + 1), rtol=1e-5)
    assert sorted(net.state_dict()) == ["constants", "modules"]


def test_an_array_may_be_an_example_an_operand_and_a_value_at_once() -> None:
    a, b = array(2, 3), array(2, 3)
    x = InputNode(a)
    out = x * a + 2 * (x >> Always(a))
    np.testing.assert_allclose(GraphModule([x], out)(b), b * a + 2 * a, rtol=1e-6)


class Always:
    """A function that returns the same array each time."""

    def __init__(self, array: jax.Array) -> None:
        self.array = array

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.array


def test_numbers_and_texts_are_static() -> None:
    x = node()
    out = (x * 2 | "mean") >> (lambda x, how: getattr(jnp, how)(x))
    net = GraphModule([x], out)
    a = array(2, 3)
    np.testing.assert_allclose(jax.jit(lambda net, a: net(a))(net, a), (2 * a).mean(), rtol=1e-5)
    assert jax.tree.leaves(net) == []


def test_the_output_may_be_an_input_or_a_tuple_or_a_constant() -> None:
    x, y = node(), node()
    a, b = array(2, 3), array(2, 3)
    assert GraphModule([x], x)(a) is a
    assert GraphModule([x, y], y)(a, b) is b
    assert GraphModule([x, y], y & x)(a, b) == (b, a)
    assert GraphModule([x], Node((), None, 3))(a) == 3


def test_inputs_that_lead_nowhere_are_ignored() -> None:
    x, y = node(), node()
    a, b = array(2, 3), array(2, 3)
    np.testing.assert_array_equal(GraphModule([x, y], y >> double)(a, b), 2 * b)


def test_one_input_may_go_without_a_list() -> None:
    x = node()
    a = array(2, 3)
    np.testing.assert_array_equal(GraphModule(x, x >> double)(a), 2 * a)


def test_trees_are_inputs_and_outputs_too() -> None:
    cell = pax.GRU(3, 4)
    build = build_graph_module(lambda pair, x: (pair[0] | x * pair[1]) >> cell)
    state, scale, x = cell.initial_state(2), array(2, 3), array(2, 3)
    found, y = build((state, scale), x)((state, scale), x)
    np.testing.assert_allclose(y, cell(state, x * scale)[1], rtol=1e-6)
    np.testing.assert_array_equal(found.hidden, y)


def test_a_deep_graph() -> None:
    x = InputNode(0)
    y: Node = x
    for _ in range(2000):
        y = y + 1
    assert GraphModule(x, y)(2) == 2002


def test_a_graph_in_a_graph() -> None:
    x = node()
    inner = GraphModule([x], x >> pax.Linear(3, 3) >> jnp.tanh)
    y = node()
    outer = GraphModule([y], y + (y >> inner))
    a = array(2, 3)
    np.testing.assert_allclose(outer(a), a + inner(a), rtol=1e-6)
    assert outer.summary() == (
        "GraphModule(inputs=1, steps=2)\n"
        "└── GraphModule(inputs=1, steps=2)\n"
        "    └── Linear(in_dim=3, out_dim=3, with_bias=True)"
    )


def test_transformations() -> None:
    x, y = node(), node()
    net = GraphModule([x, y], (x >> pax.Linear(3, 3) >> jnp.tanh) * y + 1)
    a, b = array(5, 3), array(5, 3)
    expected = net(a, b)
    traces = 0

    @jax.jit
    def run(net: Any, a: Any, b: Any) -> Any:
        nonlocal traces
        traces += 1
        return net(a, b)

    for _ in range(3):
        np.testing.assert_allclose(run(net, a, b), expected, rtol=1e-5)
    run(net.update_parameters(net.map(lambda w: 2 * w).parameters()), a, b)
    assert traces == 1
    np.testing.assert_allclose(jax.vmap(net)(a, b), expected, rtol=1e-5)
    grads = pax.grad(lambda net: (net(a, b) ** 2).sum())(net)
    assert grads.modules[0].weight.shape == (3, 3)
    assert (grads.modules[0].weight != 0).any()


def test_two_builds_are_one_program() -> None:
    build = build_graph_module(lambda x: (x >> pax.Linear(3, 3) >> jax.nn.relu)[0] * 2)
    first, second = build(array(2, 3)), build(array(2, 3))
    assert pax.assert_structure_equal(first, second)
    assert hash(first) == hash(second)


def copies(net: Any) -> list[Any]:
    """Returns copies made in every way."""
    return [net.copy(), copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))]


def test_copies_and_pickles() -> None:
    x = node()
    scaled = x.binary_ops(double_sum, array(2, 3))
    net = GraphModule([x], (scaled & scaled[0:1] * 2) >> jnp.concatenate >> pax.Linear(3, 2))
    a = array(2, 3)
    for copied in copies(net):
        assert jax.tree.structure(copied) == jax.tree.structure(net)
        np.testing.assert_array_equal(copied(a), net(a))


def double_sum(x: Any, y: Any) -> Any:
    """Doubles a sum."""
    return 2 * (x + y)


def test_weights_come_back_from_a_state_dict() -> None:
    def build() -> Any:
        x = node()
        return GraphModule([x], x >> pax.Linear(3, 3) >> pax.LayerNorm(3, -1, True, True))

    net, other = build(), build()
    a = array(2, 3)
    np.testing.assert_array_equal(other.load_state_dict(net.state_dict())(a), net(a))


def test_a_lazy_module_is_made_by_the_first_call_of_the_graph() -> None:
    class Dense(pax.experimental.LazyModule):
        def __call__(self, x: jax.Array) -> jax.Array:
            return self.get_or_create("fc", lambda: pax.Linear(x.shape[-1], 2))(x)

    x = node()
    net = GraphModule([x], x >> Dense())
    assert jax.tree.leaves(net) == []
    net, y = pax.purecall(net, x.value)
    np.testing.assert_array_equal(net(x.value), y)


def test_building_by_a_function() -> None:
    example = array(2, 3)
    seen = []

    def residual(x: Node, y: Node) -> Node:
        """Adds a layer."""
        seen.append((x, y))
        return x + (y >> pax.Linear(3, 3))

    build = build_graph_module(residual)
    assert build.__name__ == "residual"
    net = build(example, example)
    ((x, y),) = seen
    assert isinstance(x, InputNode)
    assert x.value is example
    assert x is not y
    a, b = array(2, 3), array(2, 3)
    np.testing.assert_allclose(net(a, b), a + net.modules[0](b), rtol=1e-6)
    assert build(example, example).modules[0] != net.modules[0]


def test_printed_form() -> None:
    x = node(2, 4, 4, 3)
    net = GraphModule([x], x >> pax.Conv2D(3, 2, 3) >> jax.nn.relu, name="stem")
    assert net.summary() == (
        "(stem) GraphModule(inputs=1, steps=2)\n"
        "└── Conv2D(in_features=3, out_features=2, kernel_shape=(3, 3), padding=SAME, "
        "with_bias=True, data_format=NHWC)"
    )
