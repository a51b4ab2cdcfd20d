"""What errors are, and how they read."""

from __future__ import annotations

import pickle

import pytest

import pax

ERRORS = {
    pax.ArgumentError: (ValueError, AssertionError),
    pax.ShapeError: (ValueError,),
    pax.DtypeError: (TypeError, ValueError),
    pax.CallError: (TypeError,),
    pax.PurityError: (ValueError,),
    pax.StructureError: (ValueError, AssertionError),
}


@pytest.mark.parametrize("cls", ERRORS)
def test_an_error_is_what_older_programs_catch(cls: type[pax.PaxError]) -> None:
    for base in (pax.PaxError, *ERRORS[cls]):
        assert issubclass(cls, base)


def test_text_without_a_path() -> None:
    error = pax.ShapeError("got (2,); expected (3,).", "pass three.")
    assert str(error) == "got (2,); expected (3,).\n  fix: pass three."


def test_text_with_a_path() -> None:
    error = pax.ShapeError("got (2,); expected (3,).", "pass three.")
    error.path = "model.fc"
    assert str(error) == "got (2,); expected (3,).\n  at: model.fc\n  fix: pass three."


@pytest.mark.parametrize("cls", ERRORS)
def test_pickle_keeps_text_and_path(cls: type[pax.PaxError]) -> None:
    error = cls("found", "fix")
    error.path = "model.x"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == "found\n  at: model.x\n  fix: fix"
