"""The decoding interface, as generation uses it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from pax._core import ArgumentError, DtypeError, Module, ShapeError, forms
from pax.generation import inputs
from pax.generation.rewinding import has_positions


def evaluated(model: Any) -> Any:
    """Returns the model in evaluation mode, where it has modes."""
    return model.eval() if isinstance(model, Module) else model


def prefill(
    function: str, model: Any, prompt: Array, lengths: Array | None, cache: Any, room: int
) -> tuple[Array, Any]:
    """Returns the last token of each prompt, and a cache that holds those before it.

    Nothing reads the logits at the places of the prompt, and the compiled program has none.

    Args:
        function: name in errors.
        model: has the decoding interface.
        prompt: shape [B, T].
        lengths: shape [B]; None where all prompts have T tokens.
        cache: what the model has decoded before, or None.
        room: how many tokens a new cache is made for.
    """
    batch, time = prompt.shape
    if cache is None:
        cache = model.make_cache(batch, room)
    if time > 1:
        before = None if lengths is None else lengths - 1
        _, cache = decoded(function, model, prompt[:, :-1], cache, before)
    if lengths is None:
        return prompt[:, -1], cache
    last = jnp.take_along_axis(prompt, jnp.clip(lengths[:, None] - 1, 0, time - 1), axis=1)[:, 0]
    # a length that cannot be, inside a transformation, ends the row
    return jnp.where((lengths >= 1) & (lengths <= time), last, -1), cache


def decoded(
    function: str, model: Any, tokens: Array, cache: Any, lengths: Array | None
) -> tuple[Array, Any]:
    """Returns the logits [B, T, V] after tokens [B, T], and the cache; checks both.

    After a negative token the logits are NaN, whatever the model makes of it.
    """
    logits, new = model.decode(tokens, cache, lengths=lengths)
    if logits.ndim != 3 or logits.shape[:2] != tokens.shape:
        raise ShapeError(
            f"{function}: decode of {type(model).__name__} gave logits of shape {logits.shape} "
            f"for tokens of shape {tokens.shape}; expected {(*tokens.shape, 'V')}.",
            "return the logits of the next token at every place.",
        )
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise DtypeError(
            f"{function}: decode of {type(model).__name__} gave logits of dtype {logits.dtype}; "
            "expected a floating dtype.",
            "return the logits of the next token at every place.",
        )
    if forms(new) != forms(cache):
        raise ShapeError(
            f"{function}: decode of {type(model).__name__} gave another cache than it took, "
            f"{forms(new)} for {forms(cache)}.",
            "return a cache of the structure, shapes and dtypes of the one from make_cache.",
        )
    return jnp.where(tokens[:, :, None] < 0, jnp.nan, logits), new


def check_vocabulary(
    function: str, logits: Array, vocab_size: int | None, stop_tokens: tuple[int, ...]
) -> None:
    """Raises unless stop tokens are tokens, and two models have the same number of them."""
    size = logits.shape[-1]
    if vocab_size is not None and size != vocab_size:
        raise ShapeError(
            f"{function} got a draft of {size} tokens for a model of {vocab_size}.",
            "both must share one vocabulary; take a draft with the tokenizer of the model.",
        )
    inputs.check_stop_tokens(function, stop_tokens, size)


def check_room(
    function: str, model: Any, cache: Any, prompt: Array, lengths: Array | None, max_new_tokens: int
) -> None:
    """Raises if a cache is known to be too small for prompts [B, T] and the tokens after them.

    A window needs no more room than it has. Whether there is one, a cache for all tokens shows.
    """
    is_known = not any(isinstance(x, Tracer) for x in (lengths, *jax.tree.leaves(cache)))
    if not is_known or not len(prompt):
        return
    counts = np.full(len(prompt), prompt.shape[1]) if lengths is None else np.asarray(lengths)
    more = counts + max_new_tokens - 1  # the last token of all never goes in
    for i, part in enumerate(_parts(cache)):
        slots, used = part.positions.shape[-1], np.asarray(part.length)
        if used.shape[:1] != (len(prompt),):
            return  # the model refuses it
        total = int((used.reshape(len(prompt), -1).max(axis=1) + more).max())
        if total > slots and _slots(model, len(prompt), total, i) > slots:
            raise ArgumentError(
                f"{function} got a cache with room for {slots} tokens of a row; with "
                f"max_new_tokens={max_new_tokens} there may be {total}.",
                f"make a larger one: model.make_cache({len(prompt)}, max_length={total}).",
            )


def _slots(model: Any, batch: int, total: int, part: int) -> int:
    """Returns the slots of a part of the cache that the model makes for so many tokens."""
    try:
        new = _parts(jax.eval_shape(lambda: model.make_cache(batch, total)))
    except (ArgumentError, TypeError):  # it needs a source: where a cache is full, logits are NaN
        return 0
    return new[part].positions.shape[-1] if part < len(new) else 0


def _parts(cache: Any) -> list[Any]:
    """Returns the parts of a cache that are like `pax.KeyValueCache`."""
    return [x for x in jax.tree.leaves(cache, is_leaf=has_positions) if has_positions(x)]


def is_one_of(tokens: Array, values: tuple[int, ...]) -> Array:
    """Returns which tokens [...] are among some values."""
    found = jnp.zeros(tokens.shape, bool)
    for value in values:
        found |= tokens == value
    return found


def as_tree(function: Any) -> Any:
    """Returns a function that can be an argument of a compiled one; None stays None.

    Modules are; any other function becomes part of the program, which a new one compiles anew.
    """
    is_tree = function is None or not jax.tree_util.all_leaves([function])
    return function if is_tree else jax.tree_util.Partial(function)
