"""Looking up rows of a table."""

from __future__ import annotations

from jaxtyping import Array, Int, Num


def embed(ids: Int[Array, "*B"], weight: Num[Array, "V D"]) -> Num[Array, "*B D"]:
    """Looks up rows of a table.

    y = W[ids].

    Args:
        ids: row numbers in [0, V), any shape.
        weight: W, shape [V, D].
    Returns:
        Shape [*ids.shape, D].
    Example:
        >>> pax.functional.embed(jnp.array([0, 2]), jnp.arange(6.0).reshape(3, 2))
        Array([[0., 1.],
               [4., 5.]], dtype=float32)
    """
    return weight[ids]
