"""A step of an optimizer: gradients in, a new model out."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from pax._core import (
    ArgumentError,
    Module,
    ShapeError,
    StructureError,
    all_differences,
    purecall,
    some,
    unlike,
)

M = TypeVar("M", bound=Module)
T = TypeVar("T", bound=Module)


def apply_gradients(model: M, optimizer: T, grads: M, **extra: Any) -> tuple[M, T]:
    """Takes one step: returns the model with new parameters and the optimizer with a new state.

    The new parameters are params - updates, with updates = optimizer(grads, params=params) run
    in `pax.pure`; each keeps its dtype.

    Args:
        model: the model.
        optimizer: a `pax.optim.Optimizer`, or any module that is called in the same way.
        grads: the gradients, as `pax.grad` returns them.
        extra: what else the optimizer takes, such as value=loss.
    Returns:
        `(model, optimizer)`, both new.
    Raises:
        ArgumentError: if one of the three is no module.
        StructureError: if the gradients do not have the structure of the model's parameters.
        ShapeError: if they do not have their shapes.
    Example:
        >>> import optax
        >>> net = pax.Linear(2, 3)
        >>> optimizer = pax.optim.Optimizer(optax.sgd(0.5), net)
        >>> grads = pax.grad(lambda net, x: net(x).sum())(net, jnp.ones((4, 2)))
        >>> net, optimizer = pax.optim.apply_gradients(net, optimizer, grads)
        >>> net.bias
        Array([-2., -2., -2.], dtype=float32)
    """
    check_modules("apply_gradients", model=model, optimizer=optimizer, grads=grads)
    params, grads = model.parameters(), grads.parameters()
    _check_same_form(params, grads)
    optimizer, updates = purecall(optimizer, grads, params=params, **extra)
    return model.update_parameters(jax.tree_util.tree_map(_minus, params, updates)), optimizer


def _minus(param: Any, update: Any) -> Any:
    """Returns the difference in the dtype of `param`, computed in the wider dtype of the two."""
    if param.dtype == update.dtype:
        return param - update
    with jax.numpy_dtype_promotion("standard"):
        return (param - update).astype(param.dtype)


_MODULES_INSTEAD = {
    "model": "pass the model itself.",
    "optimizer": "make a module of it: pax.optim.Optimizer(optax.adam(1e-3), model).",
    "grads": "compute them with pax.grad, which gives a module of the model's class.",
}


def check_modules(function: str, **arguments: Any) -> None:
    """Raises if one of the arguments, `model`, `optimizer` or `grads`, is no module."""
    for name, value in arguments.items():
        if isinstance(value, type):
            raise ArgumentError(
                f"{function} got the class {value.__name__} as `{name}`; expected a module.",
                "make one of it first; an optimizer is made of the parameters.",
            )
        if not isinstance(value, Module):
            raise ArgumentError(
                f"{function} got {type(value).__name__} as `{name}`; expected a module.",
                _MODULES_INSTEAD[name],
            )


def _check_same_form(params: Module, grads: Module) -> None:
    """Raises if gradients do not have the structure and shapes of the parameters."""
    if jax.tree_util.tree_structure(params) != jax.tree_util.tree_structure(grads):
        raise StructureError(
            "the gradients do not have the structure of the model's parameters; "
            f"parameters against gradients: {all_differences(params, grads)}.",
            "compute the gradients of this very model: pax.grad(loss_fn)(model, ...).",
        )
    found = unlike(params, grads, jnp.shape)
    if found:
        raise ShapeError(
            "the gradients do not have the shapes of the model's parameters; "
            f"parameters against gradients: {some(found)}.",
            "average over batches and devices without changing the shape of a gradient.",
        )
