"""A module that makes its parts at its first call, when it sees the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax

from pax._core import ArgumentError, Module, PurityError, is_sealed, is_unit

T = TypeVar("T")


class LazyModule(Module):
    """A module that makes its parts at its first call, when it sees the shape of the input.

    `__call__` asks for each part by `get_or_create`. The first call changes the module, so it is
    pure: `net, y = pax.purecall(net, x)`. From then on `net` is a module like any other. Make
    the optimizer, freeze, set policies and load weights after that call: before it there are no
    parameters.

    Args:
        training: whether the module is in training mode.
        name: name of the module.
    Example:
        >>> class Dense(pax.experimental.LazyModule):
        ...     def __init__(self, out_dim):
        ...         super().__init__()
        ...         self.out_dim = out_dim
        ...     def __call__(self, x):
        ...         fc = self.get_or_create("fc", lambda: pax.Linear(x.shape[-1], self.out_dim))
        ...         return fc(x)
        >>> dense, y = pax.purecall(Dense(3), jnp.ones((4, 2)))
        >>> dense.fc
        Linear(in_dim=2, out_dim=3, with_bias=True)
    """

    def get_or_create(self, name: str, create_fn: Callable[[], T]) -> T:
        """Returns an attribute; the first time it is made by `create_fn`.

        Modules that it makes take the mode of this one. An attribute that is None does not
        count as made, so that `__init__` may name it.

        Args:
            name: name of the attribute.
            create_fn: makes a module, an array, or whatever else the attribute is to hold.
        Returns:
            The attribute.
        Raises:
            PurityError: if it is not there yet and the module may not change.
            ArgumentError: if the name is no name of a new attribute, create_fn cannot be
                called, or it returns None.
        """
        cls = type(self).__name__
        if not isinstance(name, str) or not name.isidentifier() or _is_taken(self, name):
            raise ArgumentError(
                f"get_or_create of {cls} got the name {name!r}; expected the name of an "
                "attribute of its own, none that every module or its class has.",
                'self.get_or_create("fc", lambda: pax.Linear(x.shape[-1], 10))',
            )
        found = self.__dict__.get(name)
        if found is not None:
            return found
        if not callable(create_fn):
            raise ArgumentError(
                f"get_or_create of {cls} got a value of type {type(create_fn).__name__} to create "
                f"`{name}` by, which cannot be called.",
                f'pass a function that makes it: self.get_or_create("{name}", lambda: ...).',
            )
        if is_sealed(self):
            raise PurityError(
                f"{cls} creates `{name}` at its first call, and this call may not change it.",
                "make the first call of the whole model pure, and keep the model that comes back: "
                "`net, _ = pax.purecall(net, x)`.",
            )
        setattr(self, name, None)  # refused here, if at all, before anything is drawn
        created = create_fn()
        if created is None:
            raise ArgumentError(
                f"the function that creates `{name}` of {cls} returned None.",
                "let it return what it makes.",
            )
        setattr(self, name, created if self.training else _in_eval_mode(created))
        return getattr(self, name)


def _is_taken(module: Module, name: str) -> bool:
    """Returns whether a name stands for something else than what a lazy module makes."""
    return name in ("training", "name") or getattr(type(module), name, None) is not None


def _in_eval_mode(tree: T) -> T:
    def switched(x: Any) -> Any:
        return x.eval() if isinstance(x, Module) else x

    return jax.tree_util.tree_map(switched, tree, is_leaf=is_unit)
