"""Graphs that are refused, and every word of the error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax.experimental.graph import GraphModule, InputNode, build_graph_module

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


def refused(make: Callable[[], Any], kind: type[Exception], found: str, fix: str) -> None:
    """Fails unless this raises an error of this kind and text."""
    with pytest.raises(kind) as raised:
        make()
    assert isinstance(raised.value, ValueError)
    assert str(raised.value) == f"{found}\n  fix: {fix}"


def test_a_module_at_two_nodes_is_refused() -> None:
    x, fc = node(), pax.Linear(3, 3)
    refused(
        lambda: GraphModule([x], x >> fc >> jax.nn.relu >> fc),
        pax.StructureError,
        "a graph uses Linear(in_dim=3, out_dim=3, with_bias=True) at two nodes; a GraphModule "
        "holds each module once, at one node.",
        "make a module for each node; to call one twice, write a module of your own whose "
        "`__call__` does.",
    )
    aside = x >> fc  # leads nowhere
    assert GraphModule([x], x >> fc)(aside.value).shape == (2, 3)


def test_a_module_within_another_or_an_array_of_one_is_refused() -> None:
    x, fc = node(), pax.Linear(3, 3)
    with pytest.raises(pax.StructureError, match=r"`modules\.0` and `modules\.1\.modules\.0`"):
        GraphModule([x], x >> fc >> pax.Sequential(fc))
    with pytest.raises(pax.StructureError, match=r"`modules\.0\.weight` and `constants\.0`"):
        GraphModule([x], (x >> fc) @ fc.weight)


def test_a_module_hidden_in_a_partial_is_refused() -> None:
    x = node()
    with pytest.raises(pax.StructureError, match="inside a partial, where JAX cannot see"):
        GraphModule([x], x >> functools.partial(pax.Linear(3, 3)))


def test_inputs_that_are_refused() -> None:
    x, y = node(), node(4)
    refused(
        lambda: GraphModule([x], x & y),
        pax.ArgumentError,
        "the output depends on InputNode(float32[4]), which is not among the inputs.",
        "list every input node: GraphModule([x, y], output).",
    )
    advice = "make one of an example: x = InputNode(jnp.ones((8, 3)))."
    refused(
        lambda: GraphModule([x, y >> double], x),
        pax.ArgumentError,
        "GraphModule got Node(double: float32[4]) as input 1; expected an input node.",
        advice,
    )
    refused(
        lambda: GraphModule([y, x, y], x),
        pax.ArgumentError,
        "GraphModule got InputNode(float32[4]) twice, as inputs 0 and 2.",
        "give each input node once.",
    )


@pytest.mark.usefixtures("unchecked")
def test_ends_that_are_no_nodes() -> None:
    x, y = node(), node()
    refused(
        lambda: GraphModule([x.value], x),
        pax.ArgumentError,
        "GraphModule got a value of type ArrayImpl as input 0; expected an input node.",
        "make one of an example: x = InputNode(jnp.ones((8, 3))).",
    )
    advice = "give the node that was computed last; for several outputs the tuple `a & b`."
    refused(
        lambda: build_graph_module(lambda x: (x, x))(x.value),
        pax.ArgumentError,
        "GraphModule got a value of type tuple as its output; expected a node.",
        advice,
    )
    refused(
        lambda: build_graph_module(lambda x: None)(x.value),
        pax.ArgumentError,
        "GraphModule got a value of type NoneType as its output; expected a node.",
        advice,
    )
    refused(
        lambda: GraphModule([x, y], x | y),
        pax.ArgumentError,
        "GraphModule got several arguments, `a | b`, as its output; expected a node.",
        advice,
    )
    refused(
        lambda: build_graph_module(x.value),
        pax.ArgumentError,
        "build_graph_module got a value of type ArrayImpl, which cannot be called.",
        "pass a function of nodes, and example inputs to what it returns: "
        "build_graph_module(fn)(x).",
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_call_with_another_number_of_inputs(count: int) -> None:
    x, y = node(), node()
    net = pax.Sequential(GraphModule([x, y], x + y))
    with pytest.raises(pax.CallError) as raised:
        net[0](*[x.value] * count)
    assert isinstance(raised.value, TypeError)
    assert str(raised.value) == (
        f"GraphModule(inputs=2, steps=1) was called with {count} inputs; it has 2 input nodes.\n"
        "  at: model\n"
        "  fix: call it as module(x0, x1)."
    )


def test_errors_inside_have_their_path() -> None:
    x = node()
    net = GraphModule([x], x >> double >> pax.Linear(3, 4))
    with pytest.raises(pax.ShapeError) as raised:
        net(array(2, 5))
    assert raised.value.path == "model.modules.0"
