"""Functions of modules that mirror JAX's transformations and the methods of `Module`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from pax._core import partition
from pax._core.compare import first_difference
from pax._core.errors import ArgumentError, ShapeError, StructureError
from pax._core.module import Module

M = TypeVar("M", bound=Module)


def _check_module(name: str, module: Any) -> None:
    """Raises unless `module` is a module; `name` is that of the function of `pax`."""
    if not isinstance(module, Module):
        raise ArgumentError(
            f"pax.{name} got {type(module).__name__}; expected a module.",
            f"pass the module itself: pax.{name}(model{_REST.get(name, '')}).",
        )


#: What some functions take after the module.
_REST = {"update_parameters": ", params=params", "unfreeze_parameters": ", origin=model"}


def enable_train_mode(module: M) -> M:
    """Returns the module in training mode: `module.train()`.

    Args:
        module: the module.
    Returns:
        A new module.
    Raises:
        ArgumentError: if `module` is no module.
    Example:
        >>> pax.enable_train_mode(pax.Dropout(0.5).eval()).training
        True
    """
    _check_module("enable_train_mode", module)
    return module.train()


def enable_eval_mode(module: M) -> M:
    """Returns the module in evaluation mode: `module.eval()`.

    Args:
        module: the module.
    Returns:
        A new module.
    Raises:
        ArgumentError: if `module` is no module.
    Example:
        >>> pax.enable_eval_mode(pax.Dropout(0.5)).training
        False
    """
    _check_module("enable_eval_mode", module)
    return module.eval()


def select_parameters(module: M) -> M:
    """Returns what is trainable in the module: `module.parameters()`.

    Args:
        module: the module.
    Returns:
        A new module, with `EmptyNode` in the place of everything else.
    Raises:
        ArgumentError: if `module` is no module.
    Example:
        >>> pax.select_parameters(pax.BatchNorm1D(3)).ema_mean.averages
        EmptyNode()
    """
    _check_module("select_parameters", module)
    return module.parameters()


def update_parameters(module: M, *, params: M) -> M:
    """Returns the module with other parameters: `module.update_parameters(params)`.

    Args:
        module: the module.
        params: a module of the same structure; its parameters are taken.
    Returns:
        A new module.
    Raises:
        ArgumentError: if `module` is no module.
        StructureError: if the two trees do not line up.
    Example:
        >>> net = pax.Linear(2, 3)
        >>> zeros = jax.tree_util.tree_map(jnp.zeros_like, net.parameters())
        >>> pax.update_parameters(net, params=zeros).bias
        Array([0., 0., 0.], dtype=float32)
    """
    _check_module("update_parameters", module)
    return module.update_parameters(params)


def freeze_parameters(module: M) -> M:
    """Returns the module with nothing trainable in it, nor in anything under it.

    State is not touched: batch statistics and random keys still change in training mode. For a
    part that stays as it is, `pax.freeze_parameters(part).eval()`.

    Args:
        module: the module; freezing it twice is the same as once.
    Returns:
        A new module.
    Raises:
        ArgumentError: if `module` is no module.
    Example:
        >>> frozen = pax.freeze_parameters(pax.Linear(2, 3))
        >>> jax.tree_util.tree_leaves(frozen.parameters())
        []
    """
    _check_module("freeze_parameters", module)
    return partition.freeze(module)


def unfreeze_parameters(module: M, *, origin: M) -> M:
    """Returns the structure of `origin` with the leaves of `module`.

    Args:
        module: a module made by `freeze_parameters`.
        origin: the module before it was frozen.
    Returns:
        A new module.
    Raises:
        ArgumentError: if `module` is no module.
        StructureError: if the two do not have arrays at the same places.
    Example:
        >>> net = pax.Linear(2, 3)
        >>> frozen = pax.freeze_parameters(net)
        >>> pax.unfreeze_parameters(frozen, origin=net) == net
        True
    """
    _check_module("unfreeze_parameters", module)
    return partition.unfreeze(module, origin)


def assert_structure_equal(a: Any, b: Any) -> bool:
    """Returns True if two trees have the same structure; raises if they do not.

    Args:
        a: any pytree.
        b: any pytree.
    Returns:
        True.
    Raises:
        StructureError: naming the first difference by its path.
    Example:
        >>> pax.assert_structure_equal(pax.Linear(2, 3), pax.Linear(2, 3))
        True
    """
    if jax.tree_util.tree_structure(a) == jax.tree_util.tree_structure(b):
        return True
    path, left, right = first_difference(a, b)
    raise StructureError(
        f"the structures differ at `{path or '(root)'}`: {left} against {right}.",
        "make both with the same constructor arguments, mode and attributes.",
    )


def value_and_grad(
    fn: Callable[..., Any],
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """Makes a function that returns the value of `fn` and its gradient.

    Like `jax.value_and_grad`, with respect to the trainable parameters of the first argument.

    Args:
        fn: `fn(module, *args, **kwargs)` returns a scalar loss, or `(loss, aux)`.
        has_aux: whether `fn` returns `(loss, aux)`.
        holomorphic: whether `fn` is holomorphic; parameters and loss are then complex.
        allow_int: whether integer parameters are allowed; their gradients have dtype float0.
    Returns:
        A function of the same arguments that returns `(value, grads)`; `grads` is a module with
        the structure of `module.parameters()`.
    Raises:
        ArgumentError: if the first argument is not a module.
    Example:
        >>> loss, grads = pax.value_and_grad(lambda m, x: m(x).sum())(
        ...     pax.Linear(2, 3), jnp.ones((4, 2)))
        >>> grads.bias
        Array([4., 4., 4.], dtype=float32)
    """

    @functools.wraps(fn, updated=())
    def run(module: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(module, Module):
            raise ArgumentError(
                f"the function to differentiate got {type(module).__name__} as its first "
                "argument; expected a module.",
                "pass the module first: pax.grad(fn)(model, ...); for arrays use jax.grad.",
            )

        def of_parameters(params: Any) -> Any:
            return fn(partition.merge(module, params), *args, **kwargs)

        return jax.value_and_grad(
            of_parameters, has_aux=has_aux, holomorphic=holomorphic, allow_int=allow_int
        )(module.parameters())

    return run


def grad(
    fn: Callable[..., Any],
    has_aux: bool = False,
    *,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """Makes a function that returns the gradient of `fn`.

    Like `jax.grad`, with respect to the trainable parameters of the first argument.

    Args:
        fn: `fn(module, *args, **kwargs)` returns a scalar loss, or `(loss, aux)`.
        has_aux: whether `fn` returns `(loss, aux)`.
        holomorphic: whether `fn` is holomorphic; parameters and loss are then complex.
        allow_int: whether integer parameters are allowed; their gradients have dtype float0.
    Returns:
        A function of the same arguments that returns `grads`, or `(grads, aux)`.
    Raises:
        ArgumentError: if the first argument is not a module.
    Example:
        >>> grads = pax.grad(lambda m, x: m(x).sum())(pax.Linear(2, 3), jnp.ones((4, 2)))
        >>> grads.weight.shape
        (2, 3)
    """
    with_value = value_and_grad(fn, has_aux, holomorphic=holomorphic, allow_int=allow_int)

    @functools.wraps(fn, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        value, grads = with_value(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return run


def scan(
    fn: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    length: int | None = None,
    unroll: int = 1,
    time_major: bool = True,
) -> tuple[Any, Any]:
    """Runs `fn` over the steps of a sequence: `jax.lax.scan`.

    Args:
        fn: takes `(carry, x)`, returns `(carry, y)`.
        init: the first carry; modules are welcome.
        xs: arrays of shape [T, B, ...], or [B, T, ...] if `time_major` is False; or None.
        length: the number of steps, where `xs` is None.
        unroll: how many steps one iteration of the compiled loop does.
        time_major: whether the first axis of inputs and outputs is time; else it is the second.
    Returns:
        `(carry, ys)`, with the axes of `ys` as those of `xs`.
    Raises:
        ShapeError: if `time_major` is False and an input or output has no second axis.
    Example:
        >>> total, sums = pax.scan(lambda c, x: (c + x, c + x), jnp.zeros(2), jnp.ones((2, 5)),
        ...                        time_major=False)
        >>> sums.shape
        (2, 5)
    """
    if time_major:
        return jax.lax.scan(fn, init, xs, length=length, unroll=unroll)
    xs = jax.tree_util.tree_map(_swap_batch_and_time, xs)
    carry, ys = jax.lax.scan(fn, init, xs, length=length, unroll=unroll)
    return carry, jax.tree_util.tree_map(_swap_batch_and_time, ys)


def _swap_batch_and_time(x: Any) -> Any:
    if jnp.ndim(x) < 2:
        raise ShapeError(
            f"pax.scan with time_major=False got an array of shape {jnp.shape(x)}; "
            "expected (batch, time, ...).",
            "give every input and output a batch axis, or use time_major=True.",
        )
    return jnp.swapaxes(x, 0, 1)
