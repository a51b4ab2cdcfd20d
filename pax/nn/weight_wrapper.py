"""What the layers that compute with other weights than they hold have in common."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core import (
    ArgumentError,
    Module,
    PurityError,
    StructureError,
    accumulation_dtype,
    arguments,
    assign_changed,
    call_copy,
    is_jax_leaf,
    is_tracing,
    matches,
    may_change,
    named_leaves,
    named_modules,
    note_part,
    some,
)
from pax.nn.stacked import Stack


class WeightWrapper(Module):
    """A layer called with weights that are made of those it holds.

    Args:
        layer: any layer, or a network of them.
        weights: glob of the paths of the arrays, inside `layer`.
        axis: the axis of each that counts the outputs.
        name: name of the module.
    """

    layer: Module
    #: An int; None where a subclass allows it: a weight as a whole.
    axis: Any
    #: Whether the axis may be None.
    _whole_allowed: ClassVar[bool] = False

    def __init__(self, layer: Module, weights: str, axis: int | None, *, name: str | None) -> None:
        super().__init__(name=name)
        wrapper = type(self).__name__
        if not isinstance(layer, Module) or not callable(layer):
            raise ArgumentError(
                f"{wrapper} got {layer!r} as layer; expected a module that can be called.",
                f"build the layer first: pax.{wrapper}(pax.Linear(3, 4)).",
            )
        if not isinstance(weights, str):
            raise ArgumentError(
                f"{wrapper} got weights={weights!r}; expected a glob over paths.",
                'write weights="**.weight" for all weights of the layer.',
            )
        if not arguments.is_int(axis) and (axis is not None or not self._whole_allowed):
            raise ArgumentError(
                f"{wrapper} got axis={axis!r}; expected an integer.",
                "write axis=-1, the axis of the outputs in most layers.",
            )
        self.weights = weights
        self.axis = None if axis is None else operator.index(axis)
        self.layer = layer
        for path, weight in self._chosen():
            self._check(path, weight)
            self._check_alone(path)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer.

        Args:
            args: what the layer takes.
            kwargs: the same, by name.
        Returns:
            What the layer returns.
        """
        weights = dict(self._chosen())
        layer = self._with(self._made(weights))
        out, changed = call_copy(_call, layer, *args, changes=may_change(self), **kwargs)
        if changed:
            self._check_kept(changed, weights)
            assign_changed(self.layer, changed)
        return out

    def unwrap(self) -> Any:
        """Returns the layer by itself, with the weights that it is called with now."""
        return self._with(self._of(dict(self._chosen())))

    def _made(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        """Returns what the layer is called with; in training mode state may change."""
        return self._of(weights)

    def _of(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        """Returns what weights are made into, by path."""
        raise NotImplementedError

    def _chosen(self) -> Iterator[tuple[str, Any]]:
        """Yields the arrays of the layer that are meant, with their paths."""
        named = named_leaves(self.layer)
        chosen = [(path, x) for path, x in named if matches(self.weights, path)]
        if not chosen:
            raise ArgumentError(
                f"{type(self).__name__} found no array at {self.weights!r} in {self.layer!r}, "
                f"which has {some([path for path, _ in named])}.",
                "choose them by weights, a glob over these paths.",
            )
        yield from chosen

    def _with(self, weights: Mapping[str, Array]) -> Any:
        """Returns the layer with other arrays at these paths."""
        leaves = [weights.get(path, x) for path, x in named_leaves(self.layer)]
        return jax.tree_util.tree_structure(self.layer).unflatten(leaves)

    def _check(self, path: str, weight: Any) -> None:
        """Raises unless an array is a weight with this axis."""
        if not jnp.issubdtype(weight.dtype, jnp.floating) or weight.ndim < 2:
            raise ArgumentError(
                f"{type(self).__name__} got {path}, {weight.dtype} of shape {weight.shape}; "
                "expected floating arrays with two axes at least.",
                "choose others by weights, a glob over the paths of the layer.",
            )
        if self.axis is not None and not -weight.ndim <= self.axis < weight.ndim:
            raise ArgumentError(
                f"{type(self).__name__} got axis={self.axis} for {path} of shape {weight.shape}.",
                "name the axis of the outputs, axis=-1 in most layers.",
            )

    def _check_alone(self, path: str) -> None:
        """Raises if an array holds the weights of several layers."""
        for names, module in named_modules(self.layer):
            if isinstance(module, Stack) and f"{path}.".startswith(".".join([*names, "stacked."])):
                wrapper = type(self).__name__
                raise ArgumentError(
                    f"{wrapper} got {path}, the weights of all layers of a {module!r} as one.",
                    f"wrap each layer: pax.Stack(lambda: pax.{wrapper}(pax.Linear(4, 4)), 12).",
                )

    def _check_built(self, weights: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        """Raises unless the layer has its weights where it had them at construction."""
        if weights.keys() != made.keys():
            raise StructureError(
                f"{self!r} was built for {some(sorted(made))}; its layer now has "
                f"{some(sorted(weights))}.",
                f"wrap the other layer anew: pax.{type(self).__name__}(layer).",
            )

    def _check_kept(self, changed: Mapping[int, Any], weights: Mapping[str, Any]) -> None:
        """Raises if the layer itself has changed a weight that is made of another."""
        for i, (path, _) in enumerate(named_leaves(self.layer)):
            if i in changed and path in weights:
                raise PurityError(
                    f"{self!r}: the layer assigned {path}, which is made of another array at each "
                    "call.",
                    "leave it out of weights, a glob over the paths of the layer.",
                )

    def __repr__(self) -> str:
        return self._repr({"weights": self.weights, "axis": self.axis})


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    note_part("layer", layer)
    return layer(*args, **kwargs)


def on_host(weight: Any) -> np.ndarray | None:
    """Returns a weight for NumPy to compute with, which compiles nothing; None if it is traced."""
    if is_tracing() or not is_jax_leaf(weight) or isinstance(weight, jax.ShapeDtypeStruct):
        return None
    if not getattr(weight, "is_fully_addressable", True):
        return None
    return np.asarray(weight).astype(accumulation_dtype(weight), copy=False)


def not_zero(wrapper: str, path: str, norms: np.ndarray) -> None:
    """Raises if a norm that is divided by is zero."""
    if not norms.all():
        raise ArgumentError(
            f"{wrapper} got {path}, which holds zeros only"
            + (" for some of its outputs" if norms.any() else "")
            + "; they have no direction.",
            "draw it by an initializer that is not zero, or leave it out of weights.",
        )
