"""What a graph computes, step by step, without its nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from pax._core import ArgumentError, Module, StructureError, is_jax_leaf
from pax.experimental.graph.node import InputNode, Node


class Step(NamedTuple):
    """One call: of the module at a place of the list, or of a function; `args` are places too."""

    call: int | Callable[..., Any]
    args: tuple[int, ...]


class Plan(NamedTuple):
    """How to compute the output.

    Places count all values in one row: the inputs, the arrays that were operands, `others` that
    were, and what each step gives.
    """

    num_inputs: int
    others: tuple[Any, ...]
    steps: tuple[Step, ...]
    output: int


def plan_of(
    inputs: Sequence[Node], output: Node
) -> tuple[tuple[Module, ...], tuple[Any, ...], Plan]:
    """Returns the modules between these nodes, the arrays that were operands, and the plan.

    Args:
        inputs: all input nodes, in the order of the arguments.
        output: the output node.
    Raises:
        ArgumentError: if the output depends on another input node.
        StructureError: if a module is used at two nodes.
    """
    nodes = _in_order(output)
    calls = [node for node in nodes if node.fx is not None]
    operands = [node for node in nodes if node.fx is None and not isinstance(node, InputNode)]
    arrays = {id(node.value): node.value for node in operands if _holds_arrays(node.value)}
    others = [node for node in operands if id(node.value) not in arrays]
    places = {node: i for i, node in enumerate(inputs)}
    for node in nodes:
        if isinstance(node, InputNode) and node not in places:
            raise ArgumentError(
                f"the output depends on {node!r}, which is not among the inputs.",
                "list every input node: GraphModule([x, y], output).",
            )
    array_places = {key: i for i, key in enumerate(arrays, start=len(inputs))}
    for node in operands:
        if id(node.value) in arrays:
            places[node] = array_places[id(node.value)]
    for i, node in enumerate([*others, *calls], start=len(inputs) + len(arrays)):
        places[node] = i
    modules = _modules(calls)
    numbers = {id(module): i for i, module in enumerate(modules)}
    steps = []
    for node in calls:
        call: Any = numbers.get(id(node.fx), node.fx)
        steps.append(Step(call, tuple(places[parent] for parent in node.parents)))
    plan = Plan(len(inputs), tuple(node.value for node in others), tuple(steps), places[output])
    return modules, tuple(arrays.values()), plan


def _in_order(output: Node) -> list[Node]:
    """Returns the nodes that the output depends on, each once and after its parents."""
    nodes: dict[Node, None] = {}
    waiting = [(output, iter(output.parents))]
    while waiting:
        node, parents = waiting[-1]
        parent = next((x for x in parents if x not in nodes), None)
        if parent is None:
            nodes[node] = None
            waiting.pop()
        else:
            waiting.append((parent, iter(parent.parents)))
    return list(nodes)


def _holds_arrays(value: Any) -> bool:
    return any(map(is_jax_leaf, jax.tree_util.tree_leaves(value)))


def _modules(calls: list[Node]) -> tuple[Module, ...]:
    """Returns the modules that are called, each once."""
    modules: dict[int, Module] = {}
    for node in calls:
        if isinstance(node.fx, Module):
            if id(node.fx) in modules:
                raise StructureError(
                    f"a graph uses {node.fx!r} at two nodes; a GraphModule holds each module "
                    "once, at one node.",
                    "make a module for each node; to call one twice, write a module of your own "
                    "whose `__call__` does.",
                )
            modules[id(node.fx)] = node.fx
    return tuple(modules.values())
