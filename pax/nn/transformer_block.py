"""One block of a transformer: attention, then a dense block, each with a norm and a shortcut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Integer, Shaped

from pax._core import ArgumentError, CallError, Module, ShapeError, arguments
from pax.nn import given
from pax.nn.attention import MultiHeadAttention
from pax.nn.dropout import Dropout
from pax.nn.lambda_module import as_module
from pax.nn.layer_norm import LayerNorm

#: Builds a norm over the last axis, of this width.
MakeNorm = Callable[[int], Module]


class TransformerBlock(Module):
    """Attention, cross-attention where there is one, and a dense block, each around a shortcut.

    With `norm_first`, x <- x + drop(f(norm(x))) for each of these parts f in turn, the norm being
    its own; otherwise, as in the first paper, x <- norm(x + drop(f(x))). Sums have the dtype of x.

    Args:
        attention: the attention of x to itself.
        feed_forward: a module or function of one array [..., T, D], such as `pax.MLP`, a
            `pax.SwiGLU` and a `pax.Linear` in a `pax.Sequential`, or `pax.MixtureOfExperts`.
        norm: builds the norm of a width, such as `pax.RMSNorm`; by default a `pax.LayerNorm` of the
            last axis with scale and offset.
        cross_attention: the attention of x to a source, after that to itself.
        norm_first: whether norms stand before the parts, or after the sums.
        dropout_rate: probability, in [0, 1), that while training an element of what a part adds
            becomes zero.
        is_causal: whether a place sees no later one of x.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> attention = pax.MultiHeadAttention(2, 4, 1.0)
        >>> block = pax.TransformerBlock(attention, pax.MLP((8, 32, 8)), pax.RMSNorm)
        >>> block(jnp.ones((3, 5, 8))).shape
        (3, 5, 8)
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762); norms before:
        Xiong et al., "On layer normalization in the transformer architecture", 2020 (arXiv
        2002.04745).
    """

    attention: MultiHeadAttention
    attention_norm: Module
    cross_attention: MultiHeadAttention | None
    cross_attention_norm: Module | None
    feed_forward: Module
    feed_forward_norm: Module
    dropout: Dropout | None

    def __init__(
        self,
        attention: MultiHeadAttention,
        feed_forward: Module | Callable[..., Any],
        norm: MakeNorm | None = None,
        *,
        cross_attention: MultiHeadAttention | None = None,
        norm_first: bool = True,
        dropout_rate: float = 0.0,
        is_causal: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.flags("TransformerBlock", norm_first=norm_first, is_causal=is_causal)
        rate = arguments.rate("TransformerBlock", "dropout_rate", dropout_rate, may_be_one=False)
        dim = _width("attention", attention)
        cross_dim = dim if cross_attention is None else _width("cross_attention", cross_attention)
        if cross_dim != dim:
            raise ArgumentError(
                f"TransformerBlock got attention of width {dim} and cross_attention of width "
                f"{cross_dim}; expected one width.",
                f"build the second with query_dim={dim}, and key_dim the width of the source.",
            )
        self.norm_first = norm_first
        self.dropout_rate = rate
        self.is_causal = is_causal
        self.attention = attention
        self.attention_norm = made_norm("TransformerBlock", norm, dim)
        self.cross_attention = cross_attention
        self.cross_attention_norm = (
            None if cross_attention is None else made_norm("TransformerBlock", norm, dim)
        )
        self.feed_forward = as_module(
            "TransformerBlock", "feed_forward", feed_forward, "pass a module: pax.MLP((8, 32, 8))."
        )
        self.feed_forward_norm = made_norm("TransformerBlock", norm, dim)
        self.dropout = Dropout(rate) if rate > 0 else None

    def __call__(
        self,
        x: Float[ArrayLike, "*B T D"],
        source: Float[ArrayLike, "*B S _"] | None = None,
        mask: Shaped[ArrayLike, "..."] | None = None,
        source_mask: Shaped[ArrayLike, "*B S"] | None = None,
        **options: Any,
    ) -> Float[Array, "*B T D"]:
        """Runs the block.

        Args:
            x: sequences, shape [..., T, D], floating.
            source: what cross-attention sees, shape [..., S, width]; given if and only if there
                is one.
            mask: which places of x each may see, in the shapes of `pax.MultiHeadAttention`: [T, T]
                or [B, 1 or H, T, T]; `is_held[:, None, None, :]` of [B, T] hides padding.
            source_mask: which places of the source may be seen, true or not zero, shape [..., S].
            options: what the attention of x to itself gets besides, such as `segment_ids`.
        Returns:
            Shape and dtype of x.
        Raises:
            ArgumentError: if source is missing, or given without cross_attention.
            DtypeError: if x or source is not a floating array.
            ShapeError: if shapes do not fit.
            PurityError: in training mode with dropout, outside `pax.pure`.
        """
        self._check_source(source, source_mask)

        def attend(x: Array) -> Array:
            return self.attention(x, x, x, mask, is_causal=self.is_causal, **options)

        def attend_source(x: Array) -> Array:
            seen = None if source_mask is None else self._source_mask(source, source_mask)
            return self.cross_attention(x, source, source, seen)  # type: ignore[misc, arg-type]

        return self._through(given.floating(self, x), attend, attend_source)

    def make_cache(
        self,
        batch_size: int,
        max_length: int,
        *,
        source: Float[ArrayLike, "B S _"] | None = None,
        source_mask: Shaped[ArrayLike, "B S"] | None = None,
        dtype: Any = None,
    ) -> tuple[Any, Any]:
        """Returns a cache of no tokens, for `decode`.

        Args:
            batch_size: B.
            max_length: the most tokens of a row.
            source: what cross-attention sees, shape [B, S, width]; its keys and values are
                computed here, once.
            source_mask: which places of the source may be seen, shape [B, S].
            dtype: of keys and values; by default that of the weights.
        Returns:
            The cache of the attention, and that of the source or None; every leaf has the batch
            as its first axis.
        Raises:
            ArgumentError: if a size cannot be right, if source is missing or given without
                cross_attention, or the block is not causal.
            ShapeError: if the source has another batch size.
        """
        self._check_causal()
        self._check_source(source, source_mask)
        cache = self.attention.make_cache(batch_size, max_length, dtype=dtype)
        if self.cross_attention is None:
            return cache, None
        of_source = self.cross_attention.project_source(source, mask=source_mask)  # type: ignore[arg-type]
        if len(of_source.length) != batch_size:
            raise ShapeError(
                f"{self!r} got batch_size={batch_size} and a source of {len(of_source.length)} "
                "rows; expected one for each row.",
                "repeat the source, or choose its batch size.",
            )
        return cache, of_source

    def decode(
        self,
        x: Float[ArrayLike, "B T D"],
        cache: tuple[Any, Any],
        *,
        lengths: Integer[ArrayLike, "B"] | None = None,
        **options: Any,
    ) -> tuple[Float[Array, "B T D"], tuple[Any, Any]]:
        """Reads the next tokens, as `pax.MultiHeadAttention.decode` does.

        Args:
            x: the next tokens, shape [B, T, D].
            cache: what `make_cache` or the last call returned.
            lengths: how many of the T places of each row hold tokens, [B]; all by default.
            options: what the decoding of the attention gets besides.
        Returns:
            The outputs, shape [B, T, D], and the cache with the tokens.
        Raises:
            ArgumentError: if the cache cannot hold the tokens, a length is not in 0 ... T, or the
                block is not causal.
            CallError: if cache is no pair, as `make_cache` returns it.
            DtypeError: if x is not floating, or lengths are not integers.
            ShapeError: if shapes do not fit.
        """
        self._check_causal()
        x = given.floating(self, x)
        self._check_cache(cache)
        before, of_source = cache
        after: Any = None

        def attend(x: Array) -> Array:
            nonlocal after
            y, after = self.attention.decode(x, before, lengths=lengths, **options)
            return y

        def attend_source(x: Array) -> Array:
            at = before.length[:, None] + jnp.arange(x.shape[1], dtype=jnp.int32)[None]
            return self.cross_attention.attend(x, of_source, positions=at)  # type: ignore[union-attr]

        y = self._through(x, attend, attend_source)
        return y, (after, of_source)

    def _through(
        self, x: Array, attend: Callable[[Array], Array], attend_source: Callable[[Array], Array]
    ) -> Array:
        """Calls the parts in turn, with norms, dropout and shortcuts."""
        parts: list[tuple[Callable[[Array], Array], Any]] = [(attend, self.attention_norm)]
        if self.cross_attention is not None:
            parts.append((attend_source, self.cross_attention_norm))
        parts.append((self.feed_forward, self.feed_forward_norm))  # type: ignore[arg-type]
        for part, norm in parts:
            y = part(norm(x) if self.norm_first else x)
            y = y if self.dropout is None else self.dropout(y)
            x = x + y.astype(x.dtype)
            x = x if self.norm_first else norm(x)
        return x

    def _check_source(self, source: Any, source_mask: Any) -> None:
        if self.cross_attention is None and not (source is None and source_mask is None):
            raise ArgumentError(
                f"{self!r} got a source, and has no cross_attention.",
                "build it with cross_attention=pax.MultiHeadAttention(...), or pass the mask of x "
                "by name: block(x, mask=mask).",
            )
        if self.cross_attention is not None and source is None:
            raise ArgumentError(
                f"{self!r} has cross_attention, and got no source.",
                "call it as block(x, source); decoding takes it in make_cache(..., source=source).",
            )

    def _check_cache(self, cache: Any) -> None:
        if not isinstance(cache, tuple) or len(cache) != 2:
            raise CallError(
                f"{self!r} got a cache of type {type(cache).__name__}; expected a pair, that of "
                "the attention and that of the source.",
                "pass what make_cache of this block returned.",
            )
        if (cache[1] is None) != (self.cross_attention is None):
            has, made = ("no ", "one") if self.cross_attention is None else ("", "none")
            raise CallError(
                f"{self!r} has {has}cross_attention, and got a cache with {made} for it.",
                "pass what make_cache of this block returned.",
            )

    def _check_causal(self) -> None:
        if not self.is_causal:
            raise ArgumentError(
                f"{self!r} cannot decode, since places see later ones.",
                "build it with is_causal=True.",
            )

    def _source_mask(self, source: Any, source_mask: Any) -> Array:
        """Returns the mask of the source in the rank of scores, [..., 1, 1, S]."""
        mask = given.array(self, source_mask, "source_mask")
        if mask.shape != jnp.shape(source)[:-1]:
            raise ShapeError(
                f"{self!r} got source_mask of shape {mask.shape} for a source of shape "
                f"{jnp.shape(source)}; expected {jnp.shape(source)[:-1]}.",
                "say for each place of the source whether it may be seen.",
            )
        return mask[..., None, None, :]

    def __repr__(self) -> str:
        shown = {"norm_first": self.norm_first, "dropout_rate": self.dropout_rate}
        return self._repr(shown | {"is_causal": self.is_causal})


def made_norm(layer: str, norm: MakeNorm | None, dim: int) -> Module:
    """Returns a norm over the last axis; raises if what should build it cannot."""
    if norm is None:
        return LayerNorm(dim, -1, True, True)
    if callable(norm) and not isinstance(norm, Module):
        built = norm(dim)
        if isinstance(built, Module):
            return built
    raise ArgumentError(
        f"{layer} got norm={norm!r}; expected a function that builds the norm of a width.",
        "write norm=pax.RMSNorm, or norm=lambda dim: pax.LayerNorm(dim, -1, True, True, 1e-6).",
    )


def _width(argument: str, attention: Any) -> int:
    """Returns the width of an attention layer; raises if its output cannot be added to x."""
    if not isinstance(attention, MultiHeadAttention):
        raise ArgumentError(
            f"TransformerBlock got {argument} of type {type(attention).__name__}; expected "
            "MultiHeadAttention.",
            "build it first: pax.MultiHeadAttention(8, 64, 1.0).",
        )
    before, after = (getattr(attention, name) for name in ("query_dim", "out_dim"))
    if before != after:
        raise ArgumentError(
            f"TransformerBlock got {argument} from width {before} to {after}; expected one width, "
            "since the output is added to the input.",
            "build it without out_dim.",
        )
    return after
