"""Trees as flat lists of leaves, to cross into compiled functions cheaply."""

from __future__ import annotations

from typing import Any, NoReturn, final

from pax._core import ArgumentError, FlatTrees, PurityError, some


@final
class Flattener(FlatTrees):
    """Carries trees into and out of compiled functions as flat lists of leaves.

    JAX takes the arguments of a compiled function apart at every call, module by module. A
    flattener does that once, when it is made; a call then passes the lists of leaves, and inside
    `flattener.model` is the tree again. It is a pytree, though no module, and never changes. Each
    access to an attribute builds the tree anew; the trees may have arrays in common.

    Args:
        trees: any pytrees by name: modules, optimizers, dicts of arrays.
    Raises:
        ArgumentError: if a name begins with an underscore or is that of a method.
    Example:
        >>> @jax.jit
        ... def step(flat, x):
        ...     model, y = pax.purecall(flat.model, x)
        ...     return flat.update(model=model, steps=flat.steps + 1)
        >>> flat = pax.experimental.Flattener(model=pax.Dropout(0.5), steps=jnp.array(0))
        >>> for _ in range(3):
        ...     flat = step(flat, jnp.ones(4))
        >>> int(flat.steps), flat.model
        (3, Dropout(dropout_rate=0.5))
    """

    __slots__ = ()

    def __init__(self, /, **trees: Any) -> None:
        taken = [name for name in trees if name.startswith("_") or hasattr(Flattener, name)]
        if taken:
            raise ArgumentError(
                f"Flattener got a tree named {some([f'`{name}`' for name in taken])}; a name that "
                "begins with an underscore, or that of a method, cannot be the attribute.",
                "rename it: Flattener(model=..., optimizer=...).",
            )
        self._hold_trees(trees)

    def update(self, /, **trees: Any) -> Flattener:
        """Returns a new flattener with some of the trees replaced.

        A tree of another structure is taken too; a compiled function that is called with it is
        compiled again.

        Args:
            trees: new trees by the names of old ones.
        Raises:
            ArgumentError: for a name that the flattener does not have.
        """
        old = [name for name, _ in self._treedefs]
        unknown = [name for name in trees if name not in old]
        if unknown:
            raise ArgumentError(
                f"Flattener.update got {some([f'`{name}`' for name in unknown])}; the flattener "
                f"has {some([f'`{name}`' for name in old])}.",
                "check the name; give all trees when you make it: Flattener(model=..., other=...).",
            )
        return self._with(trees)

    def parameters(self) -> NoReturn:
        """Raises an error, for what a flattener carries is trained tree by tree.

        Raises:
            ArgumentError: always.
        """
        raise ArgumentError(
            "a Flattener has no parameters; it carries trees and is no module.",
            "ask the tree for them: flattener.model.parameters().",
        )

    def __getattr__(self, name: str) -> Any:
        names = [] if name.startswith("_") else [known for known, _ in self._treedefs]
        if name in names:
            return self._tree(name)
        has = some([f"`{known}`" for known in names])
        raise AttributeError(f"Flattener has no tree named `{name}`; it has {has}.")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise PurityError(
            f"setting `{name}` of a Flattener was tried; a flattener does not change.",
            f"take the new one: flattener = flattener.update({name}=...).",
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise PurityError(
            f"deleting `{name}` of a Flattener was tried; a flattener does not change.",
            "make a new Flattener of the trees to keep.",
        )

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *(name for name, _ in self._treedefs)])

    def __repr__(self) -> str:
        sizes = [f"{name}: {treedef.num_leaves}" for name, treedef in self._treedefs]
        return f"Flattener(leaves: {', '.join(sizes)})" if sizes else "Flattener()"
