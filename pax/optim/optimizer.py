"""One module for every optax transformation."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core import ArgumentError, Module, StateModule, StructureError, all_differences, forms

#: What optax is written for; the caller may be stricter with code of his own.
_promotion_of_optax = functools.partial(jax.numpy_dtype_promotion, "standard")


class Optimizer(StateModule):
    """An optax transformation and its state, as a module.

    In `pax.pure`, `optimizer(grads, params=params)` returns updates, and the new parameters are
    params - updates: the updates are those of optax with the other sign. `apply_gradients` does
    all of it.

    Args:
        transformation: an `optax.GradientTransformation`, or any object with its `init` and
            `update`. Make it once: two that optax made are two, even with the same numbers.
        params: a model, of which the `parameters()` are taken, or another pytree of arrays.
    Raises:
        ArgumentError: if `transformation` does not have the two functions.
    Example:
        >>> import optax
        >>> net = pax.Linear(2, 3)
        >>> optimizer = pax.optim.Optimizer(optax.adam(1e-3), net)
        >>> grads = pax.grad(lambda net, x: net(x).sum())(net, jnp.ones((4, 2)))
        >>> net, optimizer = pax.optim.apply_gradients(net, optimizer, grads)
        >>> float(abs(optimizer.state[0].mu.bias[0])) > 0
        True
    """

    #: What was given, and the structure of the parameters that it is for.
    transformation: Any
    made_for: _Form
    #: The state of the transformation, as optax keeps it.
    state: Any

    _summary_as_one_line = True

    def __init__(self, transformation: Any, params: Any) -> None:
        super().__init__()
        if not all(callable(getattr(transformation, k, None)) for k in ("init", "update")):
            raise ArgumentError(
                f"Optimizer got {transformation!r}; expected an optax transformation.",
                "build it first: pax.optim.Optimizer(optax.adam(1e-3), model).",
            )
        params = params.parameters() if isinstance(params, Module) else params
        self.transformation = transformation
        self.made_for = _Form(params)
        with _promotion_of_optax():
            self.state = _own(transformation.init(params), given=params)

    def __call__(self, grads: Any, params: Any = None, **extra: Any) -> Any:
        """Takes one step of the transformation.

        Args:
            grads: the gradients, of the structure of the parameters.
            params: the parameters; most transformations do without.
            extra: what else the transformation takes, such as value=loss.
        Returns:
            The updates; new parameters are params - updates.
        Raises:
            StructureError: if the gradients are of other parameters than the state was made for.
            PurityError: outside `pax.pure`.
        """
        self._check(grads)
        with _promotion_of_optax():
            changes, state = self.transformation.update(grads, self.state, params, **extra)
        self.state = _own(state)
        return jax.tree_util.tree_map(jnp.negative, changes)

    def _check(self, grads: Any) -> None:
        if jax.tree_util.tree_structure(grads) != self.made_for.treedef:
            raise StructureError(
                "the optimizer was made for parameters of another structure than the gradients "
                f"have; its own against theirs: {all_differences(self.made_for.tree, grads)}.",
                "freeze, replace and switch modes first, then make the optimizer of that model.",
            )

    @property
    def learning_rate(self) -> Array:
        """Returns the learning rate of the last step, which `optax.inject_hyperparams` keeps."""
        return self._only(
            "learning rate",
            ".hyperparams['learning_rate']",
            "build it with optax.inject_hyperparams(optax.adam)(learning_rate=1e-3), "
            "a number or a schedule.",
        )

    @property
    def gradient_norm(self) -> Array:
        """Returns the norm of the last gradients, which `record_gradient_norm` keeps."""
        return self._only(
            "gradient norm",
            ".gradient_norm",
            "build it with optax.chain(pax.optim.record_gradient_norm(), optax.adam(1e-3)).",
        )

    def _only(self, what: str, end: str, fix: str) -> Array:
        """Returns the one array of the state whose path ends so."""
        found = [
            leaf
            for path, leaf in jax.tree_util.tree_leaves_with_path(self.state)
            if jax.tree_util.keystr(path).endswith(end)
        ]
        if not found:
            raise ArgumentError(f"the state of the optimizer holds no {what}.", fix)
        if len(found) > 1:
            raise ArgumentError(
                f"the state of the optimizer holds {len(found)} {what}s.",
                "read the one you mean from `optimizer.state`.",
            )
        return found[0]


class _Form:
    """The structure of a tree, as a static value: JAX does not look inside at each step."""

    def __init__(self, tree: Any) -> None:
        self.tree = forms(tree)

    @property
    def treedef(self) -> Any:
        return jax.tree_util.tree_structure(self.tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Form) and self.treedef == other.treedef

    def __hash__(self) -> int:
        return hash(self.treedef)

    def __repr__(self) -> str:
        return repr(self.tree)


def _own(state: Any, given: Any = None) -> Any:
    """Returns a state in which no array stands at two places, nor in `given`.

    A tree of modules may not share arrays, and a step that donates its arguments needs each
    array once. Numbers become arrays, and arrays lose the weak type that the first step would
    take away, so that no step compiles twice.
    """
    seen = {id(x) for x in jax.tree_util.tree_leaves(given)}

    def own(x: Any) -> Any:
        if not isinstance(x, (jax.Array, np.ndarray, np.generic, bool, int, float, complex)):
            return x
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x = jnp.asarray(x, x.dtype)
        x = x.copy() if id(x) in seen else x
        seen.add(id(x))
        return x

    return jax.tree_util.tree_map(own, state)
