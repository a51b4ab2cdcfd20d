"""A transformer that reads text from both sides, trained to fill in masked tokens."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer, Shaped

import pax.initializers as initializers
from pax._core import ParameterModule, ShapeError, arguments
from pax.nets import keys
from pax.nets.activations import exact_gelu
from pax.nn import Dropout, Embed, LayerNorm, Linear, PositionEmbed, TransformerEncoder

#: The epsilon of the authors' program, for all norms.
EPS = 1e-12
#: The standard deviation of what embeddings start with.
STDDEV = 0.02


class BERT(ParameterModule):
    """An encoder of text after BERT: tokens in, a vector for each of them out.

    x = norm(token + position + segment), then blocks with the norm after each sum and the exact
    gelu. `token_logits` scores the vocabulary at each place, as it is trained to where tokens are
    masked: W norm(gelu(fc(x))) + b, with W the table of tokens.

    Args:
        vocab_size: V, number of tokens.
        dim: D, size of the vectors; by default, as all sizes, that of the base model.
        num_heads: number of attention heads; it divides dim.
        num_layers: number of blocks.
        hidden_dim: width inside the dense blocks; 4 D by default.
        max_length: number of positions.
        num_segments: number of segments.
        dropout_rate: probability, in [0, 1), that while training an element of the first x, or of
            what a part of a block adds, becomes zero. Weights of attention are not dropped.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net = pax.nets.BERT(100, dim=8, num_heads=2, num_layers=2).eval()
        >>> tokens = jnp.array([[5, 3, 8], [7, 2, 0]])
        >>> x, pooled = net(tokens, mask=tokens != 0)
        >>> x.shape, pooled.shape, net.token_logits(x).shape
        ((2, 3, 8), (2, 8), (2, 3, 100))
    Source: Devlin et al., "BERT: pre-training of deep bidirectional transformers for language
        understanding", 2018 (arXiv 1810.04805).
    """

    tokens: Embed
    positions: PositionEmbed
    segments: Embed
    norm: LayerNorm
    dropout: Dropout | None
    encoder: TransformerEncoder
    pooler: Linear
    head: Linear
    head_norm: LayerNorm
    head_bias: Float[Array, "vocab_size"]

    def __init__(
        self,
        vocab_size: int,
        *,
        dim: int = 768,
        num_heads: int = 12,
        num_layers: int = 12,
        hidden_dim: int | None = None,
        max_length: int = 512,
        num_segments: int = 2,
        dropout_rate: float = 0.1,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes(
            "BERT",
            vocab_size=vocab_size,
            dim=dim,
            max_length=max_length,
            num_segments=num_segments,
        )
        rate = arguments.rate("BERT", "dropout_rate", dropout_rate, may_be_one=False)
        self.vocab_size = vocab_size
        self.dim = dim
        layer_keys = keys.for_layers(rng_key)
        init = initializers.truncated_normal(STDDEV)
        self.tokens = Embed(vocab_size, dim, init, rng_key=next(layer_keys))
        self.positions = PositionEmbed(max_length, dim, init, rng_key=next(layer_keys))
        self.segments = Embed(num_segments, dim, init, rng_key=next(layer_keys))
        self.norm = _norm(dim)
        self.dropout = Dropout(rate) if rate > 0 else None
        self.encoder = TransformerEncoder(
            dim,
            num_heads,
            num_layers,
            hidden_dim=hidden_dim,
            activation=exact_gelu,
            norm=_norm,
            norm_first=False,
            dropout_rate=rate,
            rng_key=next(layer_keys),
        )
        self.pooler = Linear(dim, dim, rng_key=next(layer_keys))
        self.head = Linear(dim, dim, rng_key=next(layer_keys))
        self.head_norm = _norm(dim)
        self.head_bias = initializers.zeros(None, (vocab_size,))

    def __call__(
        self,
        tokens: Integer[ArrayLike, "B T"],
        segments: Integer[ArrayLike, "B T"] | None = None,
        mask: Shaped[ArrayLike, "B T"] | None = None,
    ) -> tuple[Float[Array, "B T dim"], Float[Array, "B dim"]]:
        """Encodes text.

        Args:
            tokens: integers in [0, V), shape [B, T].
            segments: the segment of each token, likewise; all 0 by default.
            mask: True (or not zero) where there is a token, False at padding, which is seen by no
                other place; shape [B, T].
        Returns:
            The vectors, shape [B, T, D], without meaning at padding; and those of the whole texts,
            tanh(pooler(x)) of the first places, shape [B, D].
        Raises:
            DtypeError: if tokens or segments are not integers.
            ShapeError: if tokens have another rank or are more than there are positions, or
                segments or mask have another shape.
            PurityError: in training mode outside `pax.pure`, unless dropout_rate is 0.
        """
        shape = np.shape(tokens)
        for what, value in (("segments", segments), ("mask", mask)):
            its_shape = shape if value is None else np.shape(value)
            if len(shape) != 2 or its_shape != shape:
                raise ShapeError(
                    f"{self!r} got tokens of shape {shape}, {what} of shape {its_shape}; "
                    "expected (batch, time) of all.",
                    "pad the texts of a batch to one length, and pass mask=is_token.",
                )
        x = self.positions(self.tokens(tokens))
        if segments is None:
            segments = jnp.zeros((1, 1), jnp.int32)
        x = self.norm(x + jnp.broadcast_to(self.segments(segments), x.shape))
        x = x if self.dropout is None else self.dropout(x)
        x = self.encoder(x, None if mask is None else jnp.asarray(mask)[:, None, None])
        return x, jnp.tanh(self.pooler(x[:, 0]))

    def token_logits(self, x: Float[ArrayLike, "*B dim"]) -> Float[Array, "*B vocab_size"]:
        """Scores the tokens that may stand at each place.

        Args:
            x: vectors from a call, shape [..., D].
        Returns:
            Shape [..., V].
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis of x is not D.
        """
        y = self.tokens.attend(self.head_norm(exact_gelu(self.head(x))))
        return y + self.head_bias.astype(y.dtype).reshape((1,) * (y.ndim - 1) + (-1,))

    def __repr__(self) -> str:
        return self._repr(
            {
                "vocab_size": self.vocab_size,
                "dim": self.dim,
                "num_heads": self.encoder.num_heads,
                "num_layers": self.encoder.num_layers,
            }
        )


def _norm(dim: int) -> LayerNorm:
    return LayerNorm(dim, -1, True, True, EPS)
