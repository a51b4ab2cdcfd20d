"""Connectionist temporal classification, with the lengths of the sequences."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, DtypeError, ShapeError, arguments, as_array
from pax.losses import inputs
from pax.losses.reduction import reduced

#: Stands for log 0: far below every log probability, and sums of a few stay finite.
_LOG_ZERO = -1e30


def ctc_loss(
    logits: ArrayLike,
    labels: ArrayLike,
    logit_lengths: ArrayLike,
    label_lengths: ArrayLike,
    *,
    blank_id: int = 0,
    weights: ArrayLike | None = None,
    reduction: str = "mean",
) -> Float[Array, "..."]:
    """Returns minus the log probability of the labels, summed over all their alignments.

    An alignment names a class at each time; the labels are what is left of it once repetitions are
    merged and blanks dropped. The loss is inf, without a gradient, where there is none: equal
    neighbours need a blank between them. The mean is over sequences; that of torch divides each
    loss by its number of labels before.

    Args:
        logits: shape [B, T, K]; torch has [T, B, K], and wants logarithms of probabilities.
        labels: integers, shape [B, S], without blanks; past their length anything.
        logit_lengths: integers, shape [B]: how many of the T places are there.
        label_lengths: integers, shape [B]: how many of the S labels are there.
        blank_id: the class of the blank.
        weights: shape [B], numbers or a mask; how much a sequence counts.
        reduction: "mean", "sum", or "none" for the loss of each sequence.
    Returns:
        A number, or shape [B] if reduction is "none"; float32, or float64 for such logits.
    Raises:
        ArgumentError: if blank_id is no class, or reduction is none of these.
        DtypeError: if logits are not floating, or another array holds no integers.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> logits = jnp.log(jnp.array([[[0.6, 0.4], [0.5, 0.5]]]))  # blank, a
        >>> one = jnp.array([1])
        >>> print(jnp.exp(-pax.losses.ctc_loss(logits, one[None], 2 * one, one)).round(4))
        0.7
    Source: Graves et al., "Connectionist temporal classification: labelling unsegmented sequence
        data with recurrent neural networks", 2006.
    """
    name = "ctc_loss"
    inputs.check_reduction(name, reduction)
    logits = _logits_with_blank(logits, blank_id)
    labels, logit_lengths, label_lengths = (
        _integers(argument, value, len(logits), ndim)
        for argument, value, ndim in (
            ("labels", labels, 2),
            ("logit_lengths", logit_lengths, 1),
            ("label_lengths", label_lengths, 1),
        )
    )
    counts = inputs.example_weights(name, weights, logits.shape[:1], logits.dtype)
    return _ctc(logits, labels, logit_lengths, label_lengths, counts, int(blank_id), reduction)


def _logits_with_blank(value: object, blank_id: int) -> Array:
    logits = inputs.logits_of_classes("ctc_loss", value)
    if logits.ndim != 3:
        raise ShapeError(
            f"ctc_loss got logits of shape {logits.shape}; expected [B, T, K].",
            "put the batch first, then the time; jnp.swapaxes(logits, 0, 1) does for [T, B, K].",
        )
    num_classes = logits.shape[-1]
    arguments.integer("ctc_loss", "blank_id", blank_id, at_least=0)
    if blank_id >= num_classes:
        raise ArgumentError(
            f"ctc_loss got blank_id={blank_id} for {num_classes} classes.",
            f"write blank_id={num_classes - 1} for the last class; it counts among the classes.",
        )
    return logits


def _integers(argument: str, value: object, batch: int, ndim: int) -> Array:
    array = as_array("ctc_loss", argument, value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise DtypeError(
            f"ctc_loss got {argument} of dtype {array.dtype}; expected integers.",
            "lengths count places, and labels are numbers of classes; padding is not needed.",
        )
    if array.ndim != ndim or array.shape[0] != batch:
        expected = f"({batch},)" if ndim == 1 else f"({batch}, S)"
        raise ShapeError(
            f"ctc_loss got {argument} of shape {array.shape} for logits of {batch} sequences; "
            f"expected {expected}.",
            "give one row of labels, and one of each length, for each sequence.",
        )
    return array.astype(jnp.int32)


@partial(jax.jit, static_argnums=(5, 6), inline=True)  # one dispatch where called eagerly
def _ctc(
    logits: Array,
    labels: Array,
    logit_lengths: Array,
    label_lengths: Array,
    counts: Array | None,
    blank_id: int,
    reduction: str,
) -> Array:
    import optax

    _, time, num_classes = logits.shape
    there, said = (
        jnp.arange(size, dtype=jnp.int32)[None, :] < lengths[:, None]
        for size, lengths in ((time, logit_lengths), (labels.shape[1], label_lengths))
    )
    wanted = there if counts is None else there & (counts != 0)[:, None]
    logits = jnp.where(wanted[..., None], logits, 0)
    is_known = (labels >= 0) & (labels < num_classes) & (labels != blank_id)
    is_right = jnp.all(is_known | ~said, axis=1)
    is_right &= (logit_lengths <= time) & (label_lengths <= labels.shape[1])
    is_right &= (logit_lengths >= 0) & (label_lengths >= 0)
    if 0 in (time, labels.shape[1]):  # one place of padding, for optax takes the last place
        more = ((0, 0), (0, 1))
        logits = jnp.pad(logits, (*more, (0, 0)))
        labels, is_known, there, said = (jnp.pad(x, more) for x in (labels, is_known, there, said))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        losses = optax.ctc_loss(
            jnp.maximum(logits, _LOG_ZERO),  # 0 times -inf is NaN
            1 - there.astype(logits.dtype),
            jnp.where(said & is_known, labels, 0),
            1 - said.astype(logits.dtype),
            blank_id=blank_id,
            log_epsilon=_LOG_ZERO,
        )
    losses = jnp.where(losses > -_LOG_ZERO / 10, jnp.inf, losses.astype(logits.dtype))
    return reduced(jnp.where(is_right, losses, jnp.nan), counts, reduction)
