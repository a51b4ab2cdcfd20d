"""How many programs XLA compiles while a block of code runs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import jax.monitoring

_COMPILED = "/jax/core/compile/backend_compile_duration"


@dataclasses.dataclass
class Compilations:
    """The programs compiled so far, on any thread, and the seconds that took."""

    count: int = 0
    seconds: float = 0.0


_open: list[Compilations] = []


def _listen(event: str, seconds: float, **_: object) -> None:
    if event == _COMPILED:
        for compilations in _open:
            compilations.count += 1
            compilations.seconds += seconds


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextlib.contextmanager
def count_compilations() -> Iterator[Compilations]:
    """Gives an object that counts the compilations inside the `with` block."""
    compilations = Compilations()
    _open.append(compilations)
    try:
        yield compilations
    finally:
        _open.remove(compilations)
