"""Random graphs: a module that is built of nodes computes what its nodes did."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
from hypothesis import given

import pax
from pax.experimental.graph import GraphModule, InputNode, Node


class Affine(pax.Module):
    """Computes a x + b with whole numbers, and counts its calls."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.a, self.b = a, b

    def __call__(self, x: int) -> int:
        return self.a * x + self.b


def total(xs: Any) -> int:
    """Adds the numbers of a tuple, each weighted by its place, at any depth."""
    return sum(i * (total(x) if isinstance(x, tuple) else x) for i, x in enumerate(xs, start=1))


def of_arguments(*xs: Any) -> int:
    """Does the same with arguments."""
    return 7 + total(xs)


#: What may be done with two values, on nodes and on the numbers themselves.
TWO: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (operator.add, operator.add),
    "sub": (operator.sub, operator.sub),
    "mul": (operator.mul, operator.mul),
    "binary_ops": (lambda a, b: a.binary_ops(max, b), max),
    "tuple": (lambda a, b: (a & b) >> total, lambda a, b: total((a, b))),
    "arguments": (lambda a, b: (a | b) >> of_arguments, of_arguments),
    "nested": (
        lambda a, b: (a | b & a | b) >> of_arguments,
        lambda a, b: of_arguments(a, (b, a), b),
    ),
    "unpacked": (
        lambda a, b: (lambda first, second: second - first)(*(a & b)),
        lambda a, b: b - a,
    ),
}

PLACES = st.integers(0, 100)
NUMBERS = st.integers(-3, 3)
STEPS = st.one_of(
    st.tuples(st.sampled_from(sorted(TWO)), PLACES, PLACES),
    st.tuples(st.just("number"), PLACES, NUMBERS),
    st.tuples(st.just("module"), NUMBERS, NUMBERS, PLACES),
)


def nodes_of(steps: list[Any], inputs: list[Node]) -> Node:
    """Runs the steps on nodes; each may use every value before it."""
    nodes = list(inputs)
    for kind, *args in steps:
        if kind == "module":
            a, b, place = args
            nodes.append(nodes[place % len(nodes)] >> Affine(a, b))
        elif kind == "number":
            place, number = args
            nodes.append(number - nodes[place % len(nodes)])
        else:
            first, second = (nodes[place % len(nodes)] for place in args)
            nodes.append(TWO[kind][0](first, second))
    return nodes[-1]


def numbers_of(steps: list[Any], inputs: list[int]) -> int:
    """Runs the steps on numbers."""
    values = list(inputs)
    for kind, *args in steps:
        if kind == "module":
            a, b, place = args
            values.append(a * values[place % len(values)] + b)
        elif kind == "number":
            place, number = args
            values.append(number - values[place % len(values)])
        else:
            first, second = (values[place % len(values)] for place in args)
            values.append(TWO[kind][1](first, second))
    return values[-1]


@given(st.lists(STEPS, max_size=8), st.lists(NUMBERS, min_size=1, max_size=3), st.data())
def test_a_graph_computes_what_its_nodes_did(
    steps: list[Any], examples: list[int], data: st.DataObject
) -> None:
    inputs = [InputNode(x) for x in examples]
    output = nodes_of(steps, list(inputs))
    assert output.value == numbers_of(steps, examples)
    net = GraphModule(inputs, output)
    others = [data.draw(NUMBERS) for _ in examples]
    assert net(*others) == numbers_of(steps, others)
    assert net.copy()(*others) == net(*others)
    assert jax.tree.structure(net.copy()) == jax.tree.structure(net)
    assert len({id(m) for m in net.modules}) == len(net.modules)


def joined(data: st.DataObject, join: Callable[..., Any], parts: list[Node]) -> Node:
    """Joins nodes in order, with brackets at random."""
    if len(parts) == 1:
        return parts[0]
    cut = data.draw(st.integers(1, len(parts) - 1))
    return join(joined(data, join, parts[:cut]), joined(data, join, parts[cut:]))


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.data())
def test_brackets_make_no_difference(sizes: list[int], data: st.DataObject) -> None:
    groups = [[InputNode((i, j)) for j in range(size)] for i, size in enumerate(sizes)]
    tuples = [joined(data, operator.and_, group) for group in groups]
    for node, group in zip(tuples, groups, strict=True):
        assert node.parents == tuple(group) if len(group) > 1 else node is group[0]
    found = joined(data, operator.or_, tuples)
    assert found.parents == tuple(tuples)
    assert (found >> (lambda *xs: xs)).value == tuple(node.value for node in tuples)
