"""DropBlock, as a layer that keeps its own random key."""

from __future__ import annotations

from jaxtyping import Array, ArrayLike, Float, Key, UInt32

import pax.functional as F
from pax._core import StateModule, arguments, next_rng_key
from pax.nn import given, keys


class DropBlock(StateModule):
    """Sets random blocks of neighbouring places to zero while training.

    Dropout for feature maps of convolutions: each channel of each sample loses squares (along
    one axis of space: stretches; along three: cubes), and the rest is scaled up to keep the sum
    over a batch of equal entries; the formula is at `pax.functional.drop_block`. Key and
    evaluation mode are as in `Dropout`.

    Args:
        dropout_rate: share of the elements that become zero, in [0, 1).
        block_size: side of a block, in places.
        data_format: "N...C" or "NC...", where the channels of the input are.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net, y = pax.purecall(pax.DropBlock(0.1, 3), jnp.ones((2, 8, 8, 4)))
        >>> y.shape
        (2, 8, 8, 4)
    Source: Ghiasi et al., "DropBlock: a regularization method for convolutional networks", 2018
        (arXiv 1810.12890).
    """

    rng_key: Key[Array, ""] | UInt32[Array, "_"]

    def __init__(
        self,
        dropout_rate: float,
        block_size: int,
        *,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.dropout_rate = arguments.rate(
            "DropBlock", "dropout_rate", dropout_rate, may_be_one=False
        )
        arguments.sizes("DropBlock", block_size=block_size)
        arguments.one_of("DropBlock", "data_format", data_format, ("N...C", "NC..."))
        self.block_size = block_size
        self.data_format = data_format
        self.rng_key = next_rng_key()

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Drops blocks of x.

        Args:
            x: input, shape [B, ..., C] or [B, C, ...] with one or more axes of space, floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has no axis of space, or a block does not fit into it.
            PurityError: in training mode outside `pax.pure`.
        """
        x = given.floating(self, x)
        key = keys.while_training(self, self.dropout_rate)
        if key is None:
            return x
        return F.drop_block(
            key, self.dropout_rate, self.block_size, x, data_format=self.data_format
        )

    def __repr__(self) -> str:
        return self._repr(
            {
                "dropout_rate": self.dropout_rate,
                "block_size": self.block_size,
                "data_format": self.data_format,
            }
        )
