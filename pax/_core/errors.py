"""Errors that say what was found, where, and what to write instead."""

from __future__ import annotations


class PaxError(Exception):
    """Base of every error that `pax` raises on purpose.

    Args:
        found: what was found and what was expected, one or two sentences.
        fix: what to write instead.
    """

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found, fix)
        self.found = found
        self.fix = fix
        #: Dotted path of the module concerned, filled in while the exception passes
        #: through the calls of the enclosing modules.
        self.path: str | None = None

    def __str__(self) -> str:
        at = "" if self.path is None else f"\n  at: {self.path}"
        return f"{self.found}{at}\n  fix: {self.fix}"


class ArgumentError(PaxError, ValueError, AssertionError):
    """An argument of a constructor or function that cannot be right.

    It is a `ValueError`, and also an `AssertionError` so that `except` clauses of older
    programs hold.
    """


class ShapeError(PaxError, ValueError):
    """An array whose rank or axis sizes do not fit."""


class DtypeError(PaxError, TypeError, ValueError):
    """An array of the wrong dtype, or a value that is no array at all."""


class CallError(PaxError, TypeError):
    """A module called with arguments that its `__call__` does not take."""


class PurityError(PaxError, ValueError):
    """A module changed where it may not change."""


class StructureError(PaxError, ValueError, AssertionError):
    """A module tree that is malformed, or two trees that do not line up.

    It is an `AssertionError` too, because `pax.assert_structure_equal` raises it.
    """
