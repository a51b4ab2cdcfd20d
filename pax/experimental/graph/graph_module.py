"""A graph of nodes as a module."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from pax._core import ArgumentError, CallError, Module
from pax.experimental.graph.node import ArgumentsNode, InputNode, Node
from pax.experimental.graph.plan import Plan, plan_of


class GraphModule(Module):
    """The module that computes the output node from the input nodes.

    It holds each module that stands between them, `modules` in the order of their calls, and the
    arrays that were operands, `constants`, which are not trained. Modules are as they were before
    the nodes were made; nodes and their values are not kept. A call applies everything once,
    however many nodes use its value. Where a module changes at a call, so does this one: call it
    by `pax.purecall` in training mode. An input that the output does not need is ignored.

    Args:
        inputs: the input nodes, in the order of the arguments of a call; or the only one.
        output: the output node; for several outputs `a & b`.
        name: name of the module.
    Raises:
        ArgumentError: if an input is no input node or is given twice, or the output is no node
            of one value, or depends on an input node that is not given.
        StructureError: if a module is used at two nodes.
    Example:
        >>> from pax.experimental.graph import GraphModule, InputNode
        >>> x = InputNode(jnp.ones((2, 3)))
        >>> net = GraphModule([x], x + (x >> pax.Linear(3, 3) >> jax.nn.relu))
        >>> print(net.summary())
        GraphModule(inputs=1, steps=3)
        └── Linear(in_dim=3, out_dim=3, with_bias=True)
        >>> net(jnp.ones((4, 3))).shape
        (4, 3)
    """

    modules: tuple[Module, ...]
    constants: tuple[Any, ...]
    plan: Plan

    def __init__(
        self, inputs: Node | Sequence[Node], output: Node, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        inputs = (inputs,) if isinstance(inputs, Node) else tuple(inputs)
        _check_ends(inputs, output)
        self.modules, self.constants, self.plan = plan_of(inputs, output)

    def __call__(self, *inputs: Any) -> Any:
        """Computes the output.

        Args:
            inputs: one argument for each input node.
        Returns:
            What stands at the output node.
        Raises:
            CallError: if there are more or fewer inputs than input nodes.
        """
        plan = self.plan
        if len(inputs) != plan.num_inputs:
            names = ", ".join(f"x{i}" for i in range(plan.num_inputs))
            raise CallError(
                f"{self!r} was called with {len(inputs)} inputs; it has {plan.num_inputs} input "
                "nodes.",
                f"call it as module({names}).",
            )
        values = [*inputs, *self.constants, *plan.others]
        for call, args in plan.steps:
            fx: Any = self.modules[call] if isinstance(call, int) else call
            values.append(fx(*(values[i] for i in args)))
        return values[plan.output]

    def __repr__(self) -> str:
        return self._repr({"inputs": self.plan.num_inputs, "steps": len(self.plan.steps)})


def _check_ends(inputs: tuple[Any, ...], output: Any) -> None:
    for i, node in enumerate(inputs):
        if not isinstance(node, InputNode):
            found = repr(node) if isinstance(node, Node) else _kind(node)
            raise ArgumentError(
                f"GraphModule got {found} as input {i}; expected an input node.",
                "make one of an example: x = InputNode(jnp.ones((8, 3))).",
            )
        if node in inputs[:i]:
            raise ArgumentError(
                f"GraphModule got {node!r} twice, as inputs {inputs.index(node)} and {i}.",
                "give each input node once.",
            )
    if not isinstance(output, Node) or isinstance(output, ArgumentsNode):
        several = isinstance(output, ArgumentsNode)
        found = "several arguments, `a | b`," if several else _kind(output)
        raise ArgumentError(
            f"GraphModule got {found} as its output; expected a node.",
            "give the node that was computed last; for several outputs the tuple `a & b`.",
        )


def _kind(x: Any) -> str:
    return f"a value of type {type(x).__name__}"


def build_graph_module(fn: Callable[..., Node]) -> Callable[..., GraphModule]:
    """Makes a function that builds a module by running `fn` on input nodes.

    Args:
        fn: takes one node for each input, returns the output node.
    Returns:
        A function of example inputs that returns a `GraphModule`.
    Raises:
        ArgumentError: if fn cannot be called.
    Example:
        >>> from pax.experimental.graph import build_graph_module
        >>> @build_graph_module
        ... def build(x, y):
        ...     return (x | y) >> jnp.add >> pax.Linear(3, 1)
        >>> net = build(jnp.ones((2, 3)), jnp.ones((2, 3)))
        >>> net(jnp.ones((5, 3)), jnp.ones((5, 3))).shape
        (5, 1)
    """
    if not callable(fn):
        raise ArgumentError(
            f"build_graph_module got {_kind(fn)}, which cannot be called.",
            "pass a function of nodes, and example inputs to what it returns: "
            "build_graph_module(fn)(x).",
        )

    @functools.wraps(fn, updated=())
    def build(*example_inputs: Any) -> GraphModule:
        nodes = [InputNode(x) for x in example_inputs]
        return GraphModule(nodes, fn(*nodes))

    return build
