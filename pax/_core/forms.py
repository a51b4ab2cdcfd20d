"""The shapes and dtypes of trees of arrays, and where those of two trees differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pax._core.tree import dotted


def forms(tree: Any) -> Any:
    """Returns the tree with the shape and dtype of each array in its place."""
    return jax.tree_util.tree_map(
        lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), tree
    )


def unlike(first: Any, second: Any, what: Callable[[Any], Any]) -> list[str]:
    """Returns, for two trees of one structure, the places where `what` of their leaves differs."""
    places = jax.tree_util.tree_leaves_with_path(first)
    trios = (
        (path, what(x), what(y))
        for (path, x), y in zip(places, jax.tree_util.tree_leaves(second), strict=True)
    )
    return [f"`{dotted(path)}`: {x} against {y}" for path, x, y in trios if x != y]
