"""A value that knows what it was computed from: the node of a graph, with its operators."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import jax

from pax._core import ArgumentError, DtypeError, Module, PaxError, is_jax_leaf, purecall


class NodeCopyError(PaxError, TypeError):
    """A node copied or pickled: the copy would stand in no graph."""


class Node:
    """A value, with the module or function that gave it and the nodes that this was applied to.

    `node >> f` applies a module or a function, at once, to the value of the node. A module that
    changes at the call is not changed: a copy is called, and forgotten. `a & b & c` is one node
    whose value is a tuple; `a | b` holds several arguments for the next `>>`. Both take nodes
    on either side in order, and also arrays and numbers. As in any Python, `>>` binds tighter than
    both, and `&` tighter than `|`: write `(a & b) >> f`. Arithmetic, `node[i]` and unpacking
    work as they do on the value. Nodes are equal if they are the same node.

    Args:
        parents: the nodes that fx is applied to, in order.
        fx: a module or a function; None for a constant.
        value: what it gave.
    Raises:
        ArgumentError: if a parent is no single value, or fx cannot be called.
    Example:
        >>> from pax.experimental.graph import InputNode
        >>> x = InputNode(jnp.ones((2, 3)))
        >>> y = (x & 2 * x) >> jnp.hstack
        >>> y.shape, y.parents[0].parents[0] is x
        ((2, 6), True)
    """

    __slots__ = ("__weakref__", "fx", "parents", "value")

    #: NumPy leaves operators between its arrays and nodes to the nodes.
    __array_ufunc__ = None

    def __init__(
        self, parents: Sequence[Any], fx: Module | Callable[..., Any] | None, value: Any
    ) -> None:
        self.parents: tuple[Node, ...] = tuple(map(_operand, parents))
        if self.parents or fx is not None:
            _check_callable(fx)
        self.fx = fx
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value, which is an array."""
        return self.value.shape

    @property
    def dtype(self) -> Any:
        """The dtype of the value, which is an array."""
        return self.value.dtype

    def binary_ops(self, fn: Module | Callable[..., Any], other: Any) -> Node:
        """Returns the node of `fn(a, b)`.

        Args:
            fn: a module or function of two arguments.
            other: b, a node, array or number; this node is a.
        Raises:
            ArgumentError: if fn cannot be called, or `other` is no single value.
        """
        return _applied(fn, (_operand(self), _operand(other)))

    def __rshift__(self, fx: Module | Callable[..., Any]) -> Node:
        return _applied(fx, (self,))

    def __and__(self, other: Any) -> TupleNode:
        return TupleNode(self, other)

    def __rand__(self, other: Any) -> TupleNode:
        return TupleNode(other, self)

    def __or__(self, other: Any) -> ArgumentsNode:
        return ArgumentsNode(self, other)

    def __ror__(self, other: Any) -> ArgumentsNode:
        return ArgumentsNode(other, self)

    def __getitem__(self, index: Any) -> Node:
        return self.binary_ops(operator.getitem, index)

    def __iter__(self) -> Iterator[Node]:
        return (self[i] for i in range(len(_operand(self).value)))

    def __neg__(self) -> Node:
        return _applied(operator.neg, (_operand(self),))

    def __add__(self, other: Any) -> Node:
        return self.binary_ops(operator.add, other)

    def __radd__(self, other: Any) -> Node:
        return _operand(other).binary_ops(operator.add, self)

    def __sub__(self, other: Any) -> Node:
        return self.binary_ops(operator.sub, other)

    def __rsub__(self, other: Any) -> Node:
        return _operand(other).binary_ops(operator.sub, self)

    def __mul__(self, other: Any) -> Node:
        return self.binary_ops(operator.mul, other)

    def __rmul__(self, other: Any) -> Node:
        return _operand(other).binary_ops(operator.mul, self)

    def __truediv__(self, other: Any) -> Node:
        return self.binary_ops(operator.truediv, other)

    def __rtruediv__(self, other: Any) -> Node:
        return _operand(other).binary_ops(operator.truediv, self)

    def __pow__(self, other: Any) -> Node:
        return self.binary_ops(operator.pow, other)

    def __rpow__(self, other: Any) -> Node:
        return _operand(other).binary_ops(operator.pow, self)

    def __matmul__(self, other: Any) -> Node:
        return self.binary_ops(operator.matmul, other)

    def __rmatmul__(self, other: Any) -> Node:
        return _operand(other).binary_ops(operator.matmul, self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise DtypeError(
            f"{self!r} is no array.",
            "apply a module or function by `node >> f`, not f(node); what it holds is node.value.",
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise NodeCopyError(
            f"{self!r} was copied or pickled; a node is known by its identity, and a copy would "
            "stand in no graph.",
            "copy the module that is built of the nodes: copy.deepcopy(GraphModule(inputs, "
            "output)).",
        )

    def __repr__(self) -> str:
        fx = type(self.fx).__name__ if isinstance(self.fx, Module) else _text(self.fx)
        of = f"{fx}: " if type(self) is Node and self.fx is not None else ""
        return f"{type(self).__name__}({of}{_text(self.value)})"


class InputNode(Node):
    """A node for an input of the graph, with an example of it as its value.

    Args:
        value: an example input.
    Example:
        >>> from pax.experimental.graph import InputNode
        >>> InputNode(jnp.ones((2, 3))) >> jax.nn.relu
        Node(relu: float32[2,3])
    """

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        super().__init__((), None, value)


class TupleNode(Node):
    """The node of `a & b`: the tuple of both values; a tuple on either side is continued."""

    __slots__ = ()

    def __init__(self, left: Any, right: Any) -> None:
        parents = [part for side in (left, right) for part in _parts(side, TupleNode)]
        super().__init__(parents, _pack, tuple(part.value for part in parents))


class ArgumentsNode(Node):
    """What `a | b` gives: several arguments for the next `>>`, and nothing else."""

    __slots__ = ()

    def __init__(self, left: Any, right: Any) -> None:
        parents = [part for side in (left, right) for part in _parts(side, ArgumentsNode)]
        super().__init__(parents, _pack, tuple(part.value for part in parents))

    def __rshift__(self, fx: Module | Callable[..., Any]) -> Node:
        return _applied(fx, self.parents)


def _pack(*values: Any) -> tuple[Any, ...]:
    return values


def _parts(side: Any, kind: type[Node]) -> tuple[Node, ...]:
    return side.parents if type(side) is kind else (_operand(side),)


def _applied(fx: Any, parents: tuple[Node, ...]) -> Node:
    """Returns the node of `fx` applied to the values of the parents."""
    _check_callable(fx)
    values = [parent.value for parent in parents]
    value = purecall(fx, *values)[1] if isinstance(fx, Module) else fx(*values)
    if isinstance(value, Node):
        raise ArgumentError(
            f"{_text(fx)} returned a node; it is applied to the values of nodes, and what it does "
            "with another node would be no part of the graph.",
            "give it all its arguments: (a | b) >> f.",
        )
    return Node(parents, fx, value)


def _operand(x: Any) -> Node:
    """Returns an operand as a node of one value; raises if it is none."""
    if isinstance(x, ArgumentsNode):
        raise ArgumentError(
            "several arguments, `a | b`, stand where one value is expected.",
            "apply a module or function to them first, `(a | b) >> f`; a tuple is `a & b`.",
        )
    if isinstance(x, Node):
        return x
    if callable(x):
        raise ArgumentError(
            f"{_text(x)} stands where a node, an array or a number is expected.",
            "apply a module or function by `node >> f`; mind that `a & b >> f` is `a & (b >> f)`.",
        )
    if any(isinstance(leaf, Node) for leaf in jax.tree_util.tree_leaves(x)):
        raise ArgumentError(
            f"a {type(x).__name__} of nodes stands where one node is expected.",
            "join nodes by `a & b` to a tuple.",
        )
    return Node((), None, x)


def _check_callable(fx: Any) -> None:
    if not callable(fx):
        raise ArgumentError(
            f"a node was to be passed to {_text(fx)}, which cannot be called.",
            "pass it to a module or a function: node >> pax.Linear(3, 4) >> jax.nn.relu.",
        )
    if isinstance(fx, type) and issubclass(fx, Module):
        raise ArgumentError(
            f"a node was to be passed to the class {fx.__name__}; expected a module.",
            f"build it: node >> {fx.__name__}(...).",
        )
    if isinstance(getattr(fx, "__self__", None), Module):
        raise ArgumentError(
            f"a node was to be passed to the method {fx.__qualname__}; the graph holds modules, "
            "and those hidden in a method would not be trained.",
            "pass it to a module whose `__call__` does this.",
        )


def _text(x: Any) -> str:
    """Returns a value as a few words."""
    if is_jax_leaf(x):
        return f"{x.dtype}[{','.join(map(str, x.shape))}]"
    if isinstance(x, (tuple, list)):
        return f"({', '.join(map(_text, x))})"
    if isinstance(x, (Node, Module, bool, int, float, str, type(None))):
        return repr(x)
    return getattr(x, "__name__", None) or f"a {type(x).__name__}"
