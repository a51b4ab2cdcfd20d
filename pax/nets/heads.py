"""Numbers of attention heads that do not fit a width."""

from __future__ import annotations

from pax._core import ArgumentError


def check_heads(network: str, dim: int, num_heads: int) -> None:
    """Raises unless the width can be divided among the heads."""
    if dim % num_heads:
        raise ArgumentError(
            f"{network} got dim={dim} and num_heads={num_heads}, which does not divide it.",
            "choose a number of heads that divides dim.",
        )
