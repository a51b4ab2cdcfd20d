"""The two kinds of modules that say at once what of theirs is trainable."""

from __future__ import annotations

from typing import Self

from pax._core import partition
from pax._core.module import Module
from pax._core.pytree import structure


class ParameterModule(Module):
    """A module whose own arrays are all trainable.

    Example:
        >>> class Scale(pax.ParameterModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = jnp.array(2.0)
        >>> Scale().parameters().factor
        Array(2., dtype=float32, weak_type=True)
    """

    def parameters(self) -> Self:
        """Returns the module with its own arrays and the parameters of its submodules."""
        return partition.select(self, own=structure(self).names)


class StateModule(Module):
    """A module of which nothing is trainable, neither its own arrays nor anything under it.

    Example:
        >>> class Counter(pax.StateModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.count = jnp.array(0)
        ...     def __call__(self):
        ...         self.count = self.count + 1
        ...         return self.count
        >>> counter, count = pax.purecall(Counter())
        >>> counter.parameters().count
        EmptyNode()
    """

    def parameters(self) -> Self:
        """Returns the module with nothing left in it."""
        return partition.emptied(self)
