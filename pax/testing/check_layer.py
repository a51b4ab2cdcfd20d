"""What every layer promises, as checks of one layer on the inputs of one call."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pax._core import Module, purecall
from pax.testing.calls import cast, checked, on_host, run, stack
from pax.testing.close import CheckError, check_close, is_floating
from pax.testing.gradients import check_gradients

_CALLS = 3  # in a stack


def check_layer(layer: Module, inputs: Any) -> None:
    """Checks a layer on one call: all checks of this page that need nothing but an input.

    These are `check_jit`, `check_vmap`, `check_gradients`, `check_dtypes`, `check_pytree` and
    `check_purity`, in this order from the last to the first. For a layer that one of them cannot
    hold for, such as one without a gradient, call the others one by one.

    Args:
        layer: the module, in the mode that is checked.
        inputs: arguments of the call, a tuple of trees of arrays; or the only one, an array.
            Choose them small: each number of inputs and parameters is one of the gradients.
    Raises:
        CheckError: if the layer fails one of the checks; it is an AssertionError.
        DtypeError: if the layer is no module or the inputs are no arrays.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (2, 3))
        >>> pax.testing.check_layer(pax.Linear(3, 4), x)
    """
    for check in (
        check_purity,
        check_pytree,
        check_dtypes,
        check_jit,
        check_vmap,
        check_gradients,
    ):
        check(layer, inputs)


def check_jit(layer: Module, inputs: Any, tolerance: float = 1e-5) -> None:
    """Checks that a compiled call gives what a plain one gives: output and state.

    Args:
        layer: the module.
        inputs: arguments of the call, a tuple of trees of arrays; or the only one, an array.
        tolerance: how far numbers may be apart, absolute and relative.
    Raises:
        CheckError: if the two differ; it is an AssertionError.
    Example:
        >>> pax.testing.check_jit(pax.Linear(3, 4), jnp.ones((2, 3)))
    """
    inputs = checked("check_jit", layer, inputs)
    check_close(
        f"check_jit: {layer!r} under jax.jit",
        "let the call depend on its arguments and the arrays of the layer alone; what is not an "
        "array is read once, while JAX traces.",
        run(layer, *inputs),
        purecall(layer, *inputs),
        tolerance,
    )


def check_vmap(layer: Module, inputs: Any, tolerance: float = 1e-5) -> None:
    """Checks that `jax.vmap` over calls gives what a loop over them gives: outputs and states.

    The calls have the numbers of the inputs in different orders.

    Args:
        layer: the module.
        inputs: arguments of the call, a tuple of trees of arrays; or the only one, an array.
        tolerance: how far numbers may be apart, absolute and relative.
    Raises:
        CheckError: if the two differ; it is an AssertionError.
    Example:
        >>> pax.testing.check_vmap(pax.Linear(3, 4), jnp.ones((2, 3)))
    """
    inputs = checked("check_vmap", layer, inputs)
    if not jax.tree.leaves(inputs):
        return  # nothing to map over
    calls = [_shuffled(inputs, seed) for seed in range(_CALLS)]
    over_calls = jax.vmap(purecall, in_axes=(None, *(0 for _ in inputs)))
    check_close(
        f"check_vmap: {layer!r} under jax.vmap",
        "use operations on whole axes, counted from the last where the rank may grow, and "
        "jnp.where or jax.lax.cond in place of `if`.",
        jax.jit(over_calls)(layer, *stack(calls)),
        stack([run(layer, *xs) for xs in calls]),
        tolerance,
    )


def check_dtypes(layer: Module, inputs: Any) -> None:
    """Checks that outputs and state keep the dtype of the arrays: bfloat16, float16, float32.

    Layer and inputs are cast to each of them. Nothing is computed.

    Args:
        layer: the module.
        inputs: arguments of the call, a tuple of trees of arrays; or the only one, an array.
    Raises:
        CheckError: if a floating output has another dtype, or an array of the layer another
            shape or dtype after the call than before; it is an AssertionError.
    Example:
        >>> pax.testing.check_dtypes(pax.Linear(3, 4), jnp.ones((2, 3)))
    """
    inputs = checked("check_dtypes", layer, inputs)
    for dtype in map(jnp.dtype, (jnp.bfloat16, jnp.float16, jnp.float32)):
        of_dtype = cast(layer, dtype)
        after, output = jax.eval_shape(purecall, of_dtype, *cast(inputs, dtype))
        for x in filter(is_floating, jax.tree.leaves(output)):
            if x.dtype != dtype:
                raise CheckError(
                    f"check_dtypes: {layer!r} gives {x.dtype} for arrays of {dtype}.",
                    "make constants with the dtype of the input, and end with "
                    "y.astype(x.dtype) where sums are made in float32.",
                )
        for (path, x), y in zip(
            jax.tree_util.tree_leaves_with_path(of_dtype), jax.tree.leaves(after), strict=True
        ):
            if (x.shape, x.dtype, x.weak_type) != (y.shape, y.dtype, y.weak_type):
                name = jax.tree_util.keystr(path, simple=True, separator=".")
                raise CheckError(
                    f"check_dtypes: {name} of {layer!r} has shape {x.shape} and dtype {x.dtype} "
                    f"before a call; {y.shape} and {y.dtype} after it.",
                    f"keep the dtype of state: self.{name} = new.astype(self.{name}.dtype).",
                )


def check_pytree(layer: Module, inputs: Any = ()) -> None:
    """Checks that a layer taken apart and put together is the same layer.

    Args:
        layer: the module.
        inputs: not used; every check takes them.
    Raises:
        CheckError: if it is not the same, or holds what is no JAX array or of weak dtype; it is
            an AssertionError.
    Example:
        >>> pax.testing.check_pytree(pax.Linear(3, 4))
    """
    checked("check_pytree", layer, inputs)
    leaves, treedef = jax.tree.flatten(layer)
    again = treedef.unflatten(leaves)
    if again != layer or list(vars(again)) != list(vars(layer)):
        raise CheckError(
            f"check_pytree: {layer!r} is another module after jax.tree.flatten and unflatten.",
            "set every attribute in __init__, the same ones whatever the arguments.",
        )
    for path, leaf in jax.tree_util.tree_leaves_with_path(layer):
        if not isinstance(leaf, jax.Array) or leaf.weak_type:
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            kind = "is weakly typed" if isinstance(leaf, jax.Array) else f"is a {type(leaf)}"
            raise CheckError(
                f"check_pytree: {name} of {layer!r} {kind}; expected an array with a dtype.",
                f"make it with a dtype: self.{name} = jnp.asarray(value, jnp.float32).",
            )


def check_purity(layer: Module, inputs: Any) -> None:
    """Checks that a call changes nothing that its caller holds, and is the same each time.

    Args:
        layer: the module.
        inputs: arguments of the call, a tuple of trees of arrays; or the only one, an array.
    Raises:
        CheckError: if the layer of the caller has changed after the call, or a second call gives
            other numbers; it is an AssertionError.
    Example:
        >>> pax.testing.check_purity(pax.Dropout(0.5), jnp.ones((2, 3)))
    """
    inputs = checked("check_purity", layer, inputs)
    leaves, treedef = jax.tree.flatten(layer)
    values = [np.array(x) for x in leaves]
    jax.eval_shape(lambda: purecall(layer, *inputs))  # a leak would leave tracers behind
    first, second = purecall(layer, *inputs), purecall(layer, *inputs)
    after, treedef_after = jax.tree.flatten(layer)
    if treedef_after != treedef or not all(
        x is y and np.array_equal(x, value, equal_nan=is_floating(x))
        for x, y, value in zip(leaves, after, values, strict=True)
    ):
        raise CheckError(
            f"check_purity: {layer!r} has changed by a call inside pax.pure.",
            "keep state in attributes of the module, not in objects that copies share.",
        )
    check_close(
        f"check_purity: {layer!r} called again with the same arrays",
        "take random keys from the state of the layer (pax.RngSeq), not from pax.next_rng_key().",
        second,
        first,
        0.0,
    )


def _shuffled(inputs: Any, seed: int) -> Any:
    """Returns the inputs with the numbers of each array in another order."""
    rng = np.random.default_rng(seed)
    return on_host(lambda x: rng.permutation(x.reshape(-1)).reshape(x.shape), inputs)
