"""Running a function that changes modules, so that from outside nothing changes."""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import jax

from pax._core.checks import check_tree
from pax._core.errors import ArgumentError
from pax._core.guard import permission
from pax._core.node import Node, is_node, is_unit, units
from pax._core.pytree import open_copy, seal

M = TypeVar("M", bound=Node)
P = ParamSpec("P")
T = TypeVar("T")


@contextlib.contextmanager
def _changes() -> Iterator[tuple[Callable[[Any], Any], Callable[[Any], None]]]:
    """Yields a function that gives mutable copies, and one that checks what is handed out.

    When the block ends, by an error too, every copy is sealed and the permission is over.
    """
    roots = list[Node]()

    def give(tree: Any) -> Any:
        def copied(x: Any) -> Any:
            if not isinstance(x, Node):
                return x
            roots.append(open_copy(x, permit))
            return roots[-1]

        return jax.tree_util.tree_map(copied, tree, is_leaf=is_unit) if _modules(tree) else tree

    def check(out: Any) -> None:
        for module in permit.opened:
            seal(module)
        for module in {id(x): x for x in [*roots, *_modules(out)]}.values():
            check_tree(module)

    with permission() as permit:
        try:
            yield give, check
        finally:
            for module in permit.opened:
                seal(module)


def _modules(tree: Any) -> list[Node]:
    """Returns the outermost modules of a tree."""
    return [x for x in units(tree) if isinstance(x, Node)]


def pure(fn: Callable[P, T]) -> Callable[P, T]:
    """Makes a pure function of one that changes modules.

    `fn` gets copies of all modules among its arguments and may change those: assign
    attributes, draw keys, update averages. What it returns comes back sealed; the caller's
    modules are as they were. Arrays and static attribute values are shared, not copied, but for
    static lists, dicts and sets: a copy has its own.

    Args:
        fn: a function, a bound method of a module, or a module.
    Returns:
        A function of the same arguments.
    Raises:
        ArgumentError: if `fn` cannot be called.
        StructureError: if afterwards a module or an array stands at two places of one tree.
    Example:
        >>> def fresh_key(rngs):
        ...     return rngs, rngs.next_rng_key()
        >>> rngs = pax.RngSeq(seed=42)
        >>> rngs, key = pax.pure(fresh_key)(rngs)
    """
    if not callable(fn):
        raise ArgumentError(
            f"pax.pure got {fn!r}, which cannot be called.",
            "pass a function, a method of a module, or a callable module.",
        )
    owner = _owner(fn)

    @functools.wraps(fn, updated=())
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with _changes() as (give, check):
            call: Any = fn if owner is None else _rebind(fn, give(owner))
            out = call(*map(give, args), **{k: give(v) for k, v in kwargs.items()})
            check(out)
            return out

    return run


def _owner(fn: Any) -> Node | None:
    """Returns the module that a callable belongs to, or None for a plain function."""
    if isinstance(fn, Node):
        return fn
    owner = getattr(fn, "__self__", None)
    return owner if isinstance(owner, Node) else None


def _rebind(fn: Any, module: Node) -> Callable[..., Any]:
    return module if isinstance(fn, Node) else types.MethodType(fn.__func__, module)  # type: ignore[return-value]


def module_and_value(fn: Callable[P, T]) -> Callable[P, tuple[Any, T]]:
    """Makes a pure function that also returns the changed module.

    Args:
        fn: a module or a bound method of one: the result is `g(*args, **kwargs)`; or a plain
            function (or method, as a decorator) of a module: `g(module, *args, **kwargs)`.
    Returns:
        A function that returns `(module, output)`.
    Raises:
        ArgumentError: if `fn` cannot be called, or is called without a module.
    Example:
        >>> net = pax.Dropout(0.5)
        >>> net, y = pax.module_and_value(net)(jnp.ones(4))
    """
    owner = _owner(fn)
    if owner is not None:
        call = _unbound(fn)

        @functools.wraps(fn, updated=())
        def bound(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
            return pure(_with_module)(call, owner, *args, **kwargs)

        return bound
    if not callable(fn):
        raise ArgumentError(
            f"pax.module_and_value got {fn!r}, which cannot be called.",
            "pass a module, a method of a module, or a function of a module.",
        )

    @functools.wraps(fn)
    def free(module: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if not isinstance(module, Node):
            raise ArgumentError(
                f"a pax.module_and_value function got {type(module).__name__} as its first "
                "argument; expected a module.",
                "pass the module first: g(module, ...).",
            )
        return pure(_with_module)(fn, module, *args, **kwargs)

    return free


def _unbound(fn: Any) -> Callable[..., Any]:
    return (lambda module, *args, **kwargs: module(*args, **kwargs)) if is_node(fn) else fn.__func__


def _with_module(call: Any, module: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return module, call(module, *args, **kwargs)


def purecall(module: M, *args: Any, **kwargs: Any) -> tuple[M, Any]:
    """Calls a module that changes itself; returns the changed module and the output.

    Args:
        module: a callable module.
        args: arguments of the call.
        kwargs: keyword arguments of the call.
    Returns:
        `(module, output)`.
    Raises:
        ArgumentError: if `module` is no module.
    Example:
        >>> net = pax.BatchNorm1D(3)
        >>> net, y = pax.purecall(net, jax.random.normal(jax.random.key(0), (8, 2, 3)))
    """
    if not isinstance(module, Node):
        raise ArgumentError(
            f"pax.purecall got {type(module).__name__} as its first argument; expected a module.",
            "pass the module itself: pax.purecall(model, x).",
        )
    return module_and_value(module)(*args, **kwargs)  # type: ignore[arg-type]


@contextlib.contextmanager
def mutable(module: M) -> Iterator[M]:
    """Gives a copy of a module that may be changed inside a `with` block; it is checked at the end.

    Args:
        module: the module; it stays as it is.
    Returns:
        A context manager that gives the copy.
    Raises:
        ArgumentError: if `module` is no module.
        StructureError: if at the end a module or array stands at two places.
    Example:
        >>> net = pax.Linear(2, 3)
        >>> with pax.experimental.mutable(net) as copy:
        ...     copy.bias = copy.bias + 1.0
        >>> bool((copy.bias == net.bias).any())
        False
    """
    if not isinstance(module, Node):
        raise ArgumentError(
            f"mutable got {type(module).__name__}; expected a module.",
            "pass the module itself: `with mutable(model) as model:`.",
        )
    with _changes() as (give, check):
        copied = give(module)
        yield copied
        check(copied)
