"""From a loss function to a training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeGuard, TypeVar, overload

import jax

from pax._core import ArgumentError, Module, StructureError, all_differences, value_and_grad
from pax.optim.gradients import apply_gradients, check_modules

M = TypeVar("M", bound=Module)
LossFn = Callable[..., tuple[Any, tuple[Any, M]]]


@overload
def build_update_fn(
    loss_fn: LossFn[M], *, scan_mode: Literal[False] = False
) -> Callable[..., tuple[M, Any, Any]]: ...


@overload
def build_update_fn(
    loss_fn: LossFn[M], *, scan_mode: Literal[True]
) -> Callable[..., tuple[tuple[M, Any], Any]]: ...


@overload
def build_update_fn(loss_fn: LossFn[M], *, scan_mode: bool) -> Callable[..., Any]: ...


def build_update_fn(loss_fn: Callable[..., Any], *, scan_mode: bool = False) -> Callable[..., Any]:
    """Makes a training step of a loss function.

    The step computes the gradient of the loss with respect to the trainable parameters, and
    gives it to the optimizer. It is a pure function; run it under `jax.jit`.

    Args:
        loss_fn: `loss_fn(model, *inputs)` returns `(loss, (aux, model))`: the loss, anything
            else that the step should return, and the model as the call has changed it.
        scan_mode: whether the step is the body of a loop, for `pax.scan`.
    Returns:
        `update(model, optimizer, *inputs)`, which returns `(model, optimizer, aux)`; in scan mode
        `update((model, optimizer), *inputs)`, which returns `((model, optimizer), aux)`.
    Raises:
        ArgumentError: if `loss_fn` cannot be called; by the step, if model or optimizer is no
            module, or `loss_fn` returns something else.
        StructureError: by the step, if the model comes back with another structure.
    Example:
        >>> import optax
        >>> def loss_fn(model, x, y):
        ...     model, predicted = pax.purecall(model, x)
        ...     loss = jnp.mean((predicted - y) ** 2)
        ...     return loss, (loss, model)
        >>> update = jax.jit(pax.build_update_fn(loss_fn))
        >>> net = pax.Linear(2, 3)
        >>> optimizer = pax.optim.Optimizer(optax.adam(1e-3), net)
        >>> net, optimizer, loss = update(net, optimizer, jnp.ones((4, 2)), jnp.ones((4, 3)))
    """
    checked_loss = checked_loss_fn("build_update_fn", loss_fn)

    def update(model: Any, optimizer: Any, *inputs: Any) -> tuple[Any, Any, Any]:
        check_modules("the update function", model=model, optimizer=optimizer)
        (_, (aux, model)), grads = value_and_grad(checked_loss, has_aux=True)(model, *inputs)
        model, optimizer = apply_gradients(model, optimizer, grads)
        return model, optimizer, aux

    def update_in_scan(carry: Any, *inputs: Any) -> tuple[tuple[Any, Any], Any]:
        if not _is_pair(carry):
            raise ArgumentError(
                f"the update function, in scan mode, got {type(carry).__name__} as its first "
                "argument; expected the tuple (model, optimizer).",
                "write update((model, optimizer), inputs), or build it without scan_mode.",
            )
        model, optimizer, aux = update(*carry, *inputs)
        return (model, optimizer), aux

    return update_in_scan if scan_mode else update


def checked_loss_fn(function: str, loss_fn: Any) -> LossFn[Any]:
    """Returns the loss function with a check of what it returns; `function` is who asks."""
    if not callable(loss_fn):
        raise ArgumentError(
            f"{function} got {loss_fn!r}, which cannot be called.",
            "pass a function of the model that returns (loss, (aux, model)).",
        )

    def checked_loss(model: Module, *inputs: Any) -> Any:
        returned = loss_fn(model, *inputs)
        _check_returned(returned, model)
        return returned

    return checked_loss


def _check_returned(returned: Any, model: Module) -> None:
    """Raises unless a loss function returned `(loss, (aux, model))`, the model in its structure."""
    pair: Any = returned[1] if _is_pair(returned) else None
    new = pair[1] if _is_pair(pair) else None
    if not isinstance(new, Module):
        raise ArgumentError(
            f"the loss function returned {_form(returned)}; expected (loss, (aux, model)).",
            "return the model that pax.purecall(model, x) gave back, with aux before it: "
            "`return loss, (aux, model)`; aux may be None.",
        )
    if jax.tree_util.tree_structure(new) != jax.tree_util.tree_structure(model):
        raise StructureError(
            "the loss function returned a model of another structure than it was given; "
            f"given against returned: {all_differences(model, new)}.",
            "return the model that pax.purecall(model, x) gave back; change modes, layers and "
            "attributes outside of the loss function.",
        )


def _is_pair(x: Any) -> TypeGuard[tuple[Any, Any]]:
    return isinstance(x, tuple) and len(x) == 2


def _form(x: Any) -> str:
    """Returns a tuple as its items' types, anything else as its type."""
    if type(x) is tuple:
        return f"({', '.join(map(_form, x))}{',' if len(x) == 1 else ''})"
    return "an array" if isinstance(x, jax.Array) else type(x).__name__
