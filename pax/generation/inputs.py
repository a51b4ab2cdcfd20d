"""What generation expects of its arguments, and the errors when it is not so.

Values are checked where they are known; inside a transformation only shapes and dtypes are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pax._core import ArgumentError, DtypeError, ShapeError, arguments, known

_ARRAYS = (jax.Array, np.ndarray, np.generic)
_METHODS = ("make_cache", "decode")


def model(function: str, argument: str, value: Any) -> None:
    """Raises unless a value can be given to a compiled function and has the two methods."""
    missing = [name for name in _METHODS if not callable(getattr(value, name, None))]
    if missing:
        raise ArgumentError(
            f"{function} got a {type(value).__name__} as {argument}, without "
            f"{' and '.join(missing)}; expected a module with both methods.",
            "give it make_cache(batch_size, max_length) -> cache, and "
            "decode(tokens, cache, *, lengths=None) -> (logits, cache).",
        )
    if isinstance(value, type) or jax.tree_util.all_leaves([value]):
        raise ArgumentError(
            f"{function} got {argument} that is no pytree: {value!r}.",
            "make it a pax.Module, so that its arrays go into the compiled function as arguments.",
        )


def prompt(function: str, value: Any, lengths: Any) -> tuple[Array, Array | None]:
    """Returns prompts [B, T] and their lengths [B], or None where none is shorter than T."""
    array = _integers(function, "prompt", value)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(
            f"{function} got prompt of shape {array.shape}; expected (B, T), T of at least 1.",
            "one prompt is prompt[None]; without any, begin with the token of a beginning.",
        )
    batch, time = array.shape
    if lengths is None:
        _check_padding(function, array, None)
        return array, None
    counts = _integers(function, "lengths", lengths)
    if counts.shape != (batch,):
        raise ShapeError(
            f"{function} got lengths of shape {counts.shape} for prompt of shape {array.shape}; "
            f"expected ({batch},).",
            "give the number of tokens of each row.",
        )
    found = known(counts)
    if found is not None and not np.all((found >= 1) & (found <= time)):
        raise ArgumentError(
            f"{function} got lengths={found.tolist()} for prompts of {time} places; expected "
            f"integers from 1 to {time}.",
            "count the tokens of each row; one without any needs the token of a beginning.",
        )
    _check_padding(function, array, found)
    return array, counts


def static(function: str, max_new_tokens: Any, stop_tokens: Any, **sizes: Any) -> dict[str, Any]:
    """Returns what a compiled program is made for, by name."""
    sizes = {"max_new_tokens": max_new_tokens, **sizes}
    arguments.sizes(function, **sizes)
    values = (stop_tokens,) if arguments.is_int(stop_tokens) else stop_tokens
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, Sequence) or not all(arguments.is_int(x) for x in values):
        raise ArgumentError(
            f"{function} got stop_tokens={stop_tokens!r}; expected integers that are known when "
            "the function is compiled.",
            "write stop_tokens=(2,).",
        )
    return {**sizes, "stop_tokens": tuple(dict.fromkeys(int(x) for x in values))}


def check_stop_tokens(function: str, values: tuple[int, ...], vocab_size: int) -> None:
    """Raises unless all are tokens."""
    if not all(0 <= x < vocab_size for x in values):
        raise ArgumentError(
            f"{function} got stop_tokens={values} for a model of {vocab_size} tokens; expected "
            f"integers from 0 to {vocab_size - 1}.",
            "without a token that ends, leave stop_tokens out.",
        )


def logits(function: str, value: Any) -> Array:
    """Returns logits [..., V] as an array."""
    if not isinstance(value, _ARRAYS):
        raise DtypeError(
            f"{function} got logits of type {type(value).__name__}; expected an array.",
            "pass an array, e.g. jnp.asarray(logits).",
        )
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise DtypeError(
            f"{function} got logits of dtype {array.dtype}; expected a floating dtype.",
            "convert them first: logits.astype(jnp.float32).",
        )
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ShapeError(
            f"{function} got logits of shape {array.shape}; expected [..., V], V tokens.",
            "put the tokens on the last axis.",
        )
    return array


def tokens_of_rows(function: str, value: Any, rows: tuple[int, ...]) -> Array:
    """Returns tokens [..., T] for logits of these rows."""
    array = _integers(function, "tokens", value)
    if array.shape[:-1] != rows or array.ndim == 0:
        raise ShapeError(
            f"{function} got tokens of shape {array.shape} for logits of rows {rows}; expected "
            "the same rows.",
            "give the tokens of each row; pad with -1.",
        )
    return array


def temperature(function: str, argument: str, value: Any, rows: tuple[int, ...]) -> Array:
    """Returns a temperature, or one for each row."""
    return _numbers(
        function,
        argument,
        value,
        rows,
        lambda x: (x >= 0) & np.isfinite(x),
        "a finite number of at least 0",
        "1.0, or 0.0 for the likeliest token",
    )


def top_k(function: str, argument: str, value: Any, rows: tuple[int, ...]) -> Array:
    """Returns how many tokens are kept, in all rows or in each."""
    right = "an integer of at least 1"
    return _numbers(function, argument, value, rows, lambda x: x >= 1, right, "50", True)


def top_p(function: str, argument: str, value: Any, rows: tuple[int, ...]) -> Array:
    """Returns the probability that is kept, in all rows or in each."""
    right = "a number in (0, 1]"
    return _numbers(function, argument, value, rows, lambda x: (x > 0) & (x <= 1), right, "0.9")


def min_p(function: str, argument: str, value: Any, rows: tuple[int, ...]) -> Array:
    """Returns the least probability relative to the largest, in all rows or in each."""
    right = "a number in [0, 1]"
    return _numbers(function, argument, value, rows, lambda x: (x >= 0) & (x <= 1), right, "0.1")


def repetition_penalty(function: str, argument: str, value: Any, rows: tuple[int, ...]) -> Array:
    """Returns what repeated tokens are penalised with, in all rows or in each."""
    return _numbers(
        function,
        argument,
        value,
        rows,
        lambda x: (x > 0) & np.isfinite(x),
        "a positive number",
        "1.2",
    )


def length_penalty(function: str, value: Any) -> Array:
    """Returns the exponent of the length."""
    return _numbers(function, "length_penalty", value, (), np.isfinite, "a finite number", "1.0")


def _numbers(
    function: str,
    argument: str,
    value: Any,
    rows: tuple[int, ...],
    is_right: Callable[[np.ndarray], np.ndarray],
    right: str,
    example: str,
    is_integer: bool = False,
) -> Array:
    """Returns a number, or one for each row, as an array; raises if one is not right."""
    kinds = jnp.integer if is_integer else jnp.number
    is_number = isinstance(value, (*_ARRAYS, int, float)) and not isinstance(value, bool)
    if not is_number or not jnp.issubdtype(jnp.result_type(value), kinds):
        shown = f"an array of dtype {value.dtype}" if isinstance(value, _ARRAYS) else repr(value)
        raise DtypeError(
            f"{function} got {argument}={shown}; expected {right}.", f"write {argument}={example}."
        )
    shape = np.shape(value)
    if shape not in {(), rows}:
        raise ShapeError(
            f"{function} got {argument} of shape {shape}; expected a number, or shape {rows}.",
            "give one number for all rows, or one for each.",
        )
    found = known(value)
    if found is not None and not np.all(is_right(found)):
        raise ArgumentError(
            f"{function} got {argument}={found.tolist()}; expected {right}.",
            f"write {argument}={example}.",
        )
    return jnp.asarray(value, jnp.int32 if is_integer else float)


def _integers(function: str, argument: str, value: Any) -> Array:
    """Returns an array of integers."""
    is_array = isinstance(value, _ARRAYS)
    if not is_array or not jnp.issubdtype(value.dtype, jnp.integer):
        found = f"dtype {value.dtype}" if is_array else f"type {type(value).__name__}"
        raise DtypeError(
            f"{function} got {argument} of {found}; expected an array of integers.",
            f"convert it first: jnp.asarray({argument}, jnp.int32).",
        )
    return jnp.asarray(value, jnp.int32)


def _check_padding(function: str, array: Array, lengths: np.ndarray | None) -> None:
    """Raises if a token of a prompt is negative, where the prompt is known."""
    found = known(array)
    if found is None or (lengths is None and not (found < 0).any()):
        return
    counts = found.shape[1] if lengths is None else lengths[:, None]
    if ((found < 0) & (np.arange(found.shape[1]) < counts)).any():
        raise ArgumentError(
            f"{function} got prompt with negative tokens.",
            "padding goes behind the tokens of a row: pass their number as lengths.",
        )
