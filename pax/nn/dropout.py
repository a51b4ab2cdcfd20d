"""Dropout of elements, samples or channels, as layers that keep their own random key."""

from __future__ import annotations

from jaxtyping import Array, ArrayLike, Float, Key, UInt32

import pax.functional as F
from pax._core import StateModule, arguments, next_rng_key
from pax.nn import given, keys


class Dropout(StateModule):
    """Sets random elements to zero while training, and divides the others by 1 - dropout_rate.

    A training call replaces `rng_key` by a fresh one, so it runs in `pax.pure`. In evaluation
    mode, and with a rate of 0, the input is returned as it is.

    Args:
        dropout_rate: probability that an element becomes zero, in [0, 1).
        name: name of the module.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1).
    Example:
        >>> net, y = pax.purecall(pax.Dropout(0.5), jnp.ones((2, 3)))
        >>> y.shape
        (2, 3)
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from
        overfitting", 2014.
    """

    rng_key: Key[Array, ""] | UInt32[Array, "_"]

    def __init__(self, dropout_rate: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.dropout_rate = arguments.rate(
            "Dropout", "dropout_rate", dropout_rate, may_be_one=False
        )
        self.rng_key = next_rng_key()

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Drops elements of x.

        Args:
            x: input of any shape, floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            PurityError: in training mode outside `pax.pure`.
        """
        x = given.floating(self, x)
        key = keys.while_training(self, self.dropout_rate)
        return x if key is None else F.dropout(key, self.dropout_rate, x)

    def __repr__(self) -> str:
        return self._repr({"dropout_rate": self.dropout_rate})


class DropPath(StateModule):
    """Sets random samples of a batch to zero while training: stochastic depth.

    It goes around what a block adds to its input, `x + drop_path(block(x))`, so that a sample
    skips the block with probability dropout_rate; what is kept is divided by 1 - dropout_rate.
    Key and evaluation mode are as in `Dropout`.

    Args:
        dropout_rate: probability that a sample becomes zero, in [0, 1).
        name: name of the module.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1).
    Example:
        >>> net, y = pax.purecall(pax.DropPath(0.5), jnp.ones((4, 3)))
        >>> y.shape
        (4, 3)
    Source: Huang et al., "Deep networks with stochastic depth", 2016 (arXiv 1603.09382).
    """

    rng_key: Key[Array, ""] | UInt32[Array, "_"]

    def __init__(self, dropout_rate: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.dropout_rate = arguments.rate(
            "DropPath", "dropout_rate", dropout_rate, may_be_one=False
        )
        self.rng_key = next_rng_key()

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Drops samples of x.

        Args:
            x: input, shape [B, ...], floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has no axis.
            PurityError: in training mode outside `pax.pure`.
        """
        x = given.floating(self, x)
        key = keys.while_training(self, self.dropout_rate)
        return x if key is None else F.drop_path(key, self.dropout_rate, x)

    def __repr__(self) -> str:
        return self._repr({"dropout_rate": self.dropout_rate})


class SpatialDropout(StateModule):
    """Sets random channels of each sample to zero while training.

    Neighbouring places of a picture or a sound are much alike, so that dropping single elements
    takes little away; here a channel goes as a whole. What is kept is divided by
    1 - dropout_rate. Key and evaluation mode are as in `Dropout`.

    Args:
        dropout_rate: probability that a channel becomes zero, in [0, 1).
        data_format: "N...C" or "NC...", where the channels of the input are.
        name: name of the module.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1), or data_format is another.
    Example:
        >>> net, y = pax.purecall(pax.SpatialDropout(0.5), jnp.ones((2, 5, 5, 8)))
        >>> y.shape
        (2, 5, 5, 8)
    Source: Tompson et al., "Efficient object localization using convolutional networks", 2014
        (arXiv 1411.4280).
    """

    rng_key: Key[Array, ""] | UInt32[Array, "_"]

    def __init__(
        self, dropout_rate: float, *, data_format: str = "N...C", name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.dropout_rate = arguments.rate(
            "SpatialDropout", "dropout_rate", dropout_rate, may_be_one=False
        )
        arguments.one_of("SpatialDropout", "data_format", data_format, ("N...C", "NC..."))
        self.data_format = data_format
        self.rng_key = next_rng_key()

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Drops channels of x.

        Args:
            x: input, shape [B, ..., C] or [B, C, ...], floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has fewer than two axes.
            PurityError: in training mode outside `pax.pure`.
        """
        x = given.floating(self, x)
        key = keys.while_training(self, self.dropout_rate)
        if key is None:
            return x
        return F.spatial_dropout(key, self.dropout_rate, x, data_format=self.data_format)

    def __repr__(self) -> str:
        return self._repr({"dropout_rate": self.dropout_rate, "data_format": self.data_format})


class AlphaDropout(StateModule):
    """Sets random elements to the floor of SELU while training, and keeps mean 0, variance 1.

    The dropout for networks of `jax.nn.selu`, whose activations have mean 0 and variance 1; the
    formula is at `pax.functional.alpha_dropout`. Key and evaluation mode are as in `Dropout`.

    Args:
        dropout_rate: probability that an element is dropped, in [0, 1).
        name: name of the module.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1).
    Example:
        >>> net = pax.Sequential(pax.Linear(3, 8), jax.nn.selu, pax.AlphaDropout(0.1))
        >>> net, y = pax.purecall(net, jnp.ones((2, 3)))
        >>> y.shape
        (2, 8)
    Source: Klambauer et al., "Self-normalizing neural networks", 2017 (arXiv 1706.02515).
    """

    rng_key: Key[Array, ""] | UInt32[Array, "_"]

    def __init__(self, dropout_rate: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.dropout_rate = arguments.rate(
            "AlphaDropout", "dropout_rate", dropout_rate, may_be_one=False
        )
        self.rng_key = next_rng_key()

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Drops elements of x.

        Args:
            x: input of any shape, floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            PurityError: in training mode outside `pax.pure`.
        """
        x = given.floating(self, x)
        key = keys.while_training(self, self.dropout_rate)
        return x if key is None else F.alpha_dropout(key, self.dropout_rate, x)

    def __repr__(self) -> str:
        return self._repr({"dropout_rate": self.dropout_rate})
