"""Tokens handed to a callback while they are made."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.experimental import io_callback

from pax._core import is_tracing

#: The callbacks of the calls that run now, by the numbers that compiled programs get.
_listeners: dict[int, Callable[[np.ndarray], Any]] = {}
_numbers = itertools.count()


@contextlib.contextmanager
def listening(on_token: Callable[[np.ndarray], Any] | None) -> Iterator[Any]:
    """Gives what `emit` takes for a callback, and waits for the last token at the end.

    A compiled program knows the callback by a number alone, so that it serves any other one too.
    Inside a transformation the program is the caller's, and the callback part of it.
    """
    if on_token is None:
        yield None
    elif is_tracing():
        yield jax.tree_util.Partial(on_token)
    else:
        number = next(_numbers) % 2**32
        _listeners[number] = on_token
        try:
            yield np.uint32(number)
            jax.effects_barrier()
        finally:
            del _listeners[number]


def emit(listener: Any, tokens: Array) -> None:
    """Hands tokens [B] to the callback, in the order of the program."""
    if listener is None:
        return
    if callable(listener):
        io_callback(lambda x: _told(listener, x), None, tokens, ordered=True)
    else:
        io_callback(_tell, None, listener, tokens, ordered=True)


def _tell(number: Array, tokens: Array) -> None:
    _told(_listeners[int(number)], tokens)


def _told(on_token: Callable[[np.ndarray], Any], tokens: Array) -> None:
    on_token(np.asarray(tokens))
