"""Nodes of a graph: values at once, joined by operators, known by identity."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax.experimental.graph import InputNode, Node

RNG = np.random.default_rng(0)


def array(*shape: int) -> jax.Array:
    """Returns positive random numbers."""
    return jnp.asarray(RNG.random(shape, np.float32) + 0.5)


def node(*shape: int) -> InputNode:
    """Returns an input node with a random value."""
    return InputNode(array(*(shape or (2, 3))))


def test_an_input_node_has_the_value_and_no_parents() -> None:
    value = array(2, 3)
    x = InputNode(value)
    assert x.value is value
    assert (x.parents, x.fx) == ((), None)
    assert (x.shape, x.dtype) == ((2, 3), jnp.float32)


def test_functions_and_modules_are_applied_at_once() -> None:
    x, fc = node(), pax.Linear(3, 4)
    y = x >> fc >> jnp.tanh
    np.testing.assert_allclose(y.value, jnp.tanh(fc(x.value)), rtol=1e-6)
    assert (y.shape, y.dtype) == ((2, 4), jnp.float32)
    assert y.fx is jnp.tanh
    (z,) = y.parents
    assert (z.fx, z.parents) == (fc, (x,))
    assert z.fx is fc


def test_a_module_that_changes_is_called_and_not_changed() -> None:
    norm, dropout = pax.BatchNorm1D(3), pax.Dropout(0.5)
    before = norm.copy(), dropout.copy()
    x = node(4, 2, 3)
    y = x >> norm >> dropout
    assert (norm, dropout) == before
    np.testing.assert_allclose(y.value, pax.purecall(dropout, pax.purecall(norm, x.value)[1])[1])
    assert y.fx is dropout


def test_a_node_of_ones_own() -> None:
    x, y = node(), node()
    z = Node([x, y], jnp.add, x.value + y.value)
    assert (z.parents, z.fx) == ((x, y), jnp.add)
    constant = Node((), None, 3)
    assert (constant.parents, constant.fx, constant.value) == ((), None, 3)


def test_the_tuple_is_one_argument() -> None:
    x, y = node(2, 3), node(2, 1)
    pair = x & y
    assert isinstance(pair.value, tuple)
    assert all(a is b for a, b in zip(pair.value, (x.value, y.value), strict=True))
    found = pair >> jnp.hstack
    np.testing.assert_array_equal(found.value, jnp.hstack((x.value, y.value)))
    assert found.parents == (pair,)


def test_several_arguments() -> None:
    x, y = node(2, 3), node(3, 2)
    found = (x | y) >> jnp.matmul
    np.testing.assert_array_equal(found.value, x.value @ y.value)
    assert found.parents == (x, y)
    assert (x | y).value == (x.value, y.value)


def test_a_module_of_several_arguments() -> None:
    cell, x, h = pax.GRU(3, 3), node(2, 3), InputNode(pax.GRU(3, 3).initial_state(2))
    found = (h | x) >> cell
    state, y = found
    assert (found.parents, found.fx) == ((h, x), cell)
    np.testing.assert_array_equal(y.value, state.value.hidden)


@pytest.mark.parametrize("join", [operator.and_, operator.or_])
def test_joins_are_flat_on_either_side_and_in_order(join: Callable[..., Any]) -> None:
    a, b, c, d = (node() for _ in range(4))
    for joined in (
        join(join(join(a, b), c), d),
        join(a, join(b, join(c, d))),
        join(join(a, b), join(c, d)),
        join(a, join(join(b, c), d)),
    ):
        assert joined.parents == (a, b, c, d)
        assert joined.value == (a.value, b.value, c.value, d.value)
    assert join(join(b, a), join(a, b)).parents == (b, a, a, b)


def test_a_tuple_may_be_one_of_several_arguments() -> None:
    a, b, c, d = (node() for _ in range(4))
    pair = a & b
    assert (pair | c).parents == (pair, c)
    assert (c | pair).parents == (c, pair)
    assert (c | pair | d).parents == (c, pair, d)
    mixed = a | b & c  # `&` binds tighter
    assert mixed.parents[0] is a
    assert mixed.parents[1].parents == (b, c)
    found = mixed >> (lambda first, rest: first + rest[0] * rest[1])
    np.testing.assert_allclose(found.value, a.value + b.value * c.value, rtol=1e-6)


def test_a_tuple_passed_through_a_function_stays_whole() -> None:
    a, b, c = node(), node(), node()
    inner = (a & b) >> tuple
    assert (inner & c).parents == (inner, c)
    assert (inner & c).value == ((a.value, b.value), c.value)


ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("op", [*ARITHMETIC, operator.matmul])
@pytest.mark.parametrize("kind", [jnp.asarray, np.asarray])
def test_arithmetic(op: Callable[..., Any], kind: Callable[..., Any]) -> None:
    x, y, other = node(3, 3), node(3, 3), kind(array(3, 3))
    for found, expected in (
        (op(x, y), op(x.value, y.value)),
        (op(x, other), op(x.value, other)),
        (op(other, x), op(other, x.value)),
    ):
        assert type(found) is Node
        np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    assert op(x, y).parents == (x, y)
    constant, last = op(other, y).parents
    assert constant.value is other
    assert last is y


@pytest.mark.parametrize("op", ARITHMETIC)
def test_arithmetic_with_numbers(op: Callable[..., Any]) -> None:
    x = node()
    for number in (2, 0.5, np.float32(3)):
        np.testing.assert_allclose(op(x, number).value, op(x.value, number), rtol=1e-6)
        np.testing.assert_allclose(op(number, x).value, op(number, x.value), rtol=1e-6)
    np.testing.assert_array_equal((-x).value, -x.value)


def test_binary_ops() -> None:
    x, y = node(), node()
    found = x.binary_ops(jnp.maximum, y)
    assert (found.parents, found.fx) == ((x, y), jnp.maximum)
    np.testing.assert_array_equal(found.value, jnp.maximum(x.value, y.value))
    np.testing.assert_array_equal(x.binary_ops(jnp.subtract, 2.0).value, x.value - 2.0)
    np.testing.assert_array_equal(x.binary_ops(max_of_sum, [y.value]).value, x.value + y.value)


def max_of_sum(x: Any, ys: list[Any]) -> Any:
    """Adds the first of a list."""
    return x + ys[0]


def test_parts_of_a_value() -> None:
    x, y = node(2, 3), node()
    np.testing.assert_array_equal(x[1].value, x.value[1])
    np.testing.assert_array_equal(x[:, :2].value, x.value[:, :2])
    assert (x & y)[1].value is y.value
    first, second = x
    np.testing.assert_array_equal(second.value, x.value[1])
    assert first.parents[0] is x
    row = InputNode(jnp.asarray(1))
    np.testing.assert_array_equal(x[row].value, x.value[1])


def test_joins_with_constants() -> None:
    x, other = node(), array(2, 3)
    for joined, order in (
        (x & other, (x.value, other)),
        (other & x, (other, x.value)),
        (x | 2, (x.value, 2)),
        (np.asarray(other) | x, (other, x.value)),
    ):
        for found, expected in zip(joined.value, order, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_nodes_are_known_by_identity() -> None:
    value = array(2, 3)
    x, y = InputNode(value), InputNode(value)
    assert x == x
    assert x != y
    assert len({x, y, x}) == 2
    assert (x >> jnp.tanh) != (x >> jnp.tanh)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_nodes_are_not_copied(copied: Callable[..., Any]) -> None:
    for x in (node(), node() >> jnp.tanh, node() & node(), node() | 2):
        with pytest.raises(TypeError) as raised:
            copied(x)
        assert isinstance(raised.value, pax.PaxError)
        assert str(raised.value) == (
            f"{x!r} was copied or pickled; a node is known by its identity, and a copy would "
            "stand in no graph.\n"
            "  fix: copy the module that is built of the nodes: "
            "copy.deepcopy(GraphModule(inputs, output))."
        )


def test_printed_form() -> None:
    x = node(2, 3)
    assert repr(x) == "InputNode(float32[2,3])"
    assert repr(x >> jax.nn.relu) == "Node(relu: float32[2,3])"
    assert repr(x >> pax.Linear(3, 4)) == "Node(Linear: float32[2,4])"
    assert repr(x & x >> jnp.sum) == "TupleNode((float32[2,3], float32[]))"
    assert repr(x | 2) == "ArgumentsNode((float32[2,3], 2))"
    assert repr(Node((), None, "text")) == "Node('text')"


def refused(make: Callable[[], Any], found: str, fix: str) -> None:
    """Fails unless this raises an `ArgumentError` of this text."""
    with pytest.raises(pax.ArgumentError) as raised:
        make()
    assert str(raised.value) == f"{found}\n  fix: {fix}"


def test_several_arguments_are_no_value() -> None:
    x, y, z = node(), node(), node()
    for make in (
        lambda: (x | y) & z,
        lambda: z & (x | y),
        lambda: (x | y) + z,
        lambda: z + (x | y),
        lambda: 2 * (x | y),
        lambda: -(x | y),
        lambda: (x | y)[0],
        lambda: list(x | y),
        lambda: (x | y).binary_ops(jnp.add, z),
        lambda: Node([x | y], jnp.add, 1),
    ):
        refused(
            make,
            "several arguments, `a | b`, stand where one value is expected.",
            "apply a module or function to them first, `(a | b) >> f`; a tuple is `a & b`.",
        )


@pytest.mark.parametrize("join", [operator.and_, operator.or_, operator.add])
def test_operands_that_are_refused(join: Callable[..., Any]) -> None:
    x, y = node(), node()
    advice = "apply a module or function by `node >> f`; mind that `a & b >> f` is `a & (b >> f)`."
    refused(
        lambda: join(x, jax.nn.relu),
        "relu stands where a node, an array or a number is expected.",
        advice,
    )
    refused(
        lambda: join(x, pax.Identity()),
        "Identity stands where a node, an array or a number is expected.",
        advice,
    )
    refused(
        lambda: join(x, (x, y)),
        "a tuple of nodes stands where one node is expected.",
        "join nodes by `a & b` to a tuple.",
    )


class Encoder(pax.Module):
    """Has a method that is no call."""

    def encode(self, x: Any) -> Any:
        """Returns the input."""
        return x


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_applied() -> None:
    x, y = node(), node()
    advice = "pass it to a module or a function: node >> pax.Linear(3, 4) >> jax.nn.relu."
    for fx, shown in (
        (3, "3"),
        ("relu", "'relu'"),
        (y, "InputNode(float32[2,3])"),
        ([jax.nn.relu], "(relu)"),
        (Encoder(), "Encoder"),
        (None, "None"),
    ):
        found = f"a node was to be passed to {shown}, which cannot be called."
        refused(lambda fx=fx: x >> fx, found, advice)
        refused(lambda fx=fx: (x | y) >> fx, found, advice)
        refused(lambda fx=fx: x.binary_ops(fx, y), found, advice)
        refused(lambda fx=fx: Node([x], fx, 1), found, advice)
    refused(
        lambda: x >> pax.Linear,
        "a node was to be passed to the class Linear; expected a module.",
        "build it: node >> Linear(...).",
    )
    refused(
        lambda: x >> Encoder().encode,
        "a node was to be passed to the method Encoder.encode; the graph holds modules, and those "
        "hidden in a method would not be trained.",
        "pass it to a module whose `__call__` does this.",
    )


def test_a_function_that_uses_another_node_is_refused() -> None:
    x, y = node(), node()

    def add_other(value: Any) -> Any:
        return value + y

    refused(
        lambda: x >> add_other,
        "add_other returned a node; it is applied to the values of nodes, and what it does with "
        "another node would be no part of the graph.",
        "give it all its arguments: (a | b) >> f.",
    )


@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray])
def test_a_node_is_no_array(convert: Callable[..., Any]) -> None:
    x = node(2, 3)
    with pytest.raises(pax.DtypeError) as raised:
        convert(x)
    assert str(raised.value) == (
        "InputNode(float32[2,3]) is no array.\n"
        "  fix: apply a module or function by `node >> f`, not f(node); what it holds is "
        "node.value."
    )
    with pytest.raises(TypeError):
        jnp.tanh(x)


def test_errors_of_layers_pass() -> None:
    with pytest.raises(pax.ShapeError, match=r"expected \(\.\.\., 4\)"):
        node(2, 3) >> pax.Linear(4, 5)
