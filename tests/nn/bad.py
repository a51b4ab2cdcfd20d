"""Input that a layer must refuse, and every word of the error."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

import pax


@dataclasses.dataclass(frozen=True, eq=False)
class Bad:
    """One thing that must fail.

    Args:
        make: fails by itself; or, with inputs, makes a layer that fails when called with them.
        kind: class of the error.
        found: first part of its text.
        fix: last part of its text.
        inputs: what the layer is called with, or None.
    """

    make: Callable[[], Any]
    kind: type[pax.PaxError]
    found: str
    fix: str
    inputs: tuple[Any, ...] | None = None

    def __str__(self) -> str:
        return self.found

    def check(self) -> None:
        """Fails unless the error says all of this; in a model, with the path to the layer."""
        if self.inputs is None:
            _assert_raises(self.kind, f"{self.found}\n  fix: {self.fix}", self.make)
            return
        for module, path in (
            (self.make(), "model"),
            (Nested(self.make()), "model.blocks.0.layer"),
        ):
            text = f"{self.found}\n  at: {path}\n  fix: {self.fix}"
            _assert_raises(self.kind, text, lambda call=module: call(*self.inputs))


class Nested(pax.Module):
    """Holds a layer deep inside."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.blocks = [{"layer": layer}]

    def __call__(self, *inputs: Any) -> Any:
        return self.blocks[0]["layer"](*inputs)


def each(*cases: Bad) -> pytest.MarkDecorator:
    """Runs a test with each of these, beyond what the annotations already refuse."""
    marked = [pytest.param(case, id=str(case)) for case in cases]
    return pytest.mark.parametrize("bad", marked)


def _assert_raises(kind: type[pax.PaxError], text: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind) as raised:
        call()
    assert type(raised.value) is kind
    assert str(raised.value) == text
