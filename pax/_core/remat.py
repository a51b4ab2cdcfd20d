"""Recomputing in the backward pass what the forward pass does not keep."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from pax._core.calls import note_stand_in
from pax._core.crossing import assign_changed, call_copy
from pax._core.derived import plain_class, subclass, with_class, wrapped_class, wrapping
from pax._core.errors import ArgumentError
from pax._core.guard import may_change
from pax._core.module import Module
from pax._core.node import Node, is_jax_leaf, is_node

T = TypeVar("T", bound=Callable[..., Any])

#: Which values to keep: one of `jax.checkpoint_policies`.
Policy = Callable[..., bool]


def remat(module_or_fn: T, policy: Policy | None = None) -> T:
    """Returns a module or function that computes again in the backward pass what it did not keep.

    Its gradient takes less memory and more time: of a call only the inputs are kept, and what
    the policy says. Values and gradients are the same.

    Args:
        module_or_fn: a module, of which calls are recomputed, or a function of arrays and
            modules.
        policy: which intermediate values are kept, one of `jax.checkpoint_policies`; None keeps
            none.
    Returns:
        A module of the same class and the same weights under the same names, or a function.
    Raises:
        ArgumentError: if `module_or_fn` or `policy` cannot be called.
    Example:
        >>> net = pax.Sequential(pax.Linear(2, 8), jax.nn.relu, pax.Linear(8, 3))
        >>> net = pax.remat(net, policy=jax.checkpoint_policies.dots_saveable)
        >>> net(jnp.ones((4, 2))).shape
        (4, 3)
    Source: Chen et al., "Training deep nets with sublinear memory cost", 2016 (arXiv 1604.06174).
    """
    check_policy("pax.remat", policy)
    if isinstance(module_or_fn, type) or not callable(module_or_fn):
        raise ArgumentError(
            f"pax.remat got {module_or_fn!r}; expected a module that can be called, or a function.",
            "build the module first, and wrap what you call: block = pax.remat(Block(512)).",
        )
    if isinstance(module_or_fn, Module):
        return with_class(module_or_fn, _recomputed_class(type(module_or_fn), policy))  # type: ignore[return-value]

    @functools.wraps(module_or_fn, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        arrays, join = _split((args, kwargs))

        def inside(arrays: Any) -> Any:
            args, kwargs = join(arrays)
            return module_or_fn(*args, **kwargs)

        return jax.checkpoint(inside, policy=policy)(arrays)

    return run  # type: ignore[return-value]


def check_policy(function: str, policy: Any) -> None:
    """Raises unless `policy` can be one of recomputation."""
    if policy is not None and not callable(policy):
        raise ArgumentError(
            f"{function} got policy={policy!r}; expected a function, or None.",
            "choose one of jax.checkpoint_policies, such as dots_saveable.",
        )


def _recomputed_class(base: Any, policy: Policy | None) -> Any:
    """Returns the subclass of the same name whose calls are recomputed; wrappings go around it."""
    wrap = wrapping(base)
    if wrap is not None:
        return wrapped_class(_recomputed_class(plain_class(base), policy), wrap)
    body = {"__call__": _recomputed(base.__call__, policy), "_pax_note": "with recomputed calls"}
    return subclass(base, (remat, policy), lambda: body, (_recomputed_class, (base, policy)))


def _recomputed(call: Callable[..., Any], policy: Policy | None) -> Callable[..., Any]:
    """Returns the `__call__` that recomputes."""

    @functools.wraps(call)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        changes = may_change(self)
        arrays, join = _split((args, kwargs))

        def named(copy: Any, *args: Any, **kwargs: Any) -> Any:
            note_stand_in(self, copy)
            return call(copy, *args, **kwargs)

        def inside(copy: Any, arrays: Any) -> Any:
            args, kwargs = join(arrays)
            return call_copy(named, copy, *args, changes=changes, **kwargs)

        out, changed = jax.checkpoint(inside, policy=policy)(self, arrays)
        assign_changed(self, changed)
        return out

    return __call__


def _split(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Returns the arrays and modules of a tree, and what puts others in their places."""
    leaves, treedef = jax.tree_util.tree_flatten(tree, is_leaf=is_node)
    places = [i for i, x in enumerate(leaves) if is_jax_leaf(x) or isinstance(x, Node)]

    def join(arrays: list[Any]) -> Any:
        filled = list(leaves)
        for i, x in zip(places, arrays, strict=True):
            filled[i] = x
        return treedef.unflatten(filled)

    return [leaves[i] for i in places], join
