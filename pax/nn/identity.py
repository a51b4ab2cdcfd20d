"""The layer that does nothing."""

from __future__ import annotations

from typing import TypeVar

from pax._core import Module

T = TypeVar("T")


class Identity(Module):
    """Returns its input.

    Args:
        training: whether the module is in training mode.
        name: name of the module.
    Example:
        >>> pax.Identity()(jnp.array(3))
        Array(3, dtype=int32, weak_type=True)
    """

    def __init__(self, *, training: bool = True, name: str | None = None) -> None:
        super().__init__(training=training, name=name)

    def __call__(self, x: T) -> T:
        """Returns x.

        Args:
            x: anything.
        Returns:
            x itself.
        """
        return x
