"""Who may change a module: on one thread, inside one trace, until it is over."""

from __future__ import annotations

import threading

import jax
import pytest

import pax
from pax._core.guard import Draft, Permit, check_mutable, is_sealed, note_birth, permission
from pax._core.pytree import structure
from tests.core.samples import Box, Counter, normal

OUTSIDE = (
    "setting `x` of Box was tried outside `pax.pure`; a module does not change, and the update "
    "would be lost.\n  fix: run it as `module, out = pax.purecall(module, ...)`, or switch the "
    "module to `module.eval()`; for a one-off edit use `module.replace(...)`."
)
NOT_GIVEN = (
    "setting `x` of Box was tried inside `pax.pure`, on a module that `pax.pure` was not given; "
    "only copies of the modules among its arguments may change.\n  fix: pass the module as an "
    "argument, or change it by `module, out = pax.purecall(module, ...)` and keep that."
)
THREAD = (
    "setting `x` was tried from another thread than the one that may change the module.\n  fix: "
    "return the new value from the thread and assign it where `pax.pure` runs."
)
TRACE = (
    "setting `x` was tried inside a JAX transformation (jit, grad, vmap, scan, ...) that began "
    "after `pax.pure`; the traced value would leak out of it.\n  fix: pass the module to the "
    "transformed function as an argument, change it there in `pax.pure`, and return it."
)


def message(run) -> str:
    with pytest.raises(pax.PurityError) as error:
        run()
    return str(error.value)


def test_a_permit_holds_until_it_ends() -> None:
    permit = Permit()
    permit.check("setting `x`")
    permit.end()
    assert message(lambda: permit.check("setting `x`")).startswith("setting `x` was tried outside")


def test_a_permit_holds_on_its_thread_only() -> None:
    permit, said = Permit(), []
    thread = threading.Thread(
        target=lambda: said.append(message(lambda: permit.check("setting `x`")))
    )
    thread.start()
    thread.join()
    assert said == [THREAD]
    permit.check("setting `x`")


def test_a_permit_holds_in_its_trace_only() -> None:
    outer = Permit()

    def fn(x):
        inner = Permit()
        inner.check("setting `x`")
        assert message(lambda: outer.check("setting `x`")) == TRACE
        jax.vmap(lambda y: (message(lambda: inner.check("setting `x`")), y)[1])(x)
        return x

    jax.jit(fn)(normal(2))
    outer.check("setting `x`")


def test_a_sealed_module_may_not_be_changed() -> None:
    box = Box(x=1)
    assert message(lambda: setattr(box, "x", 2)) == OUTSIDE
    assert message(lambda: check_mutable(structure(box), "it")).startswith("it was tried outside")
    with pytest.raises(ValueError):
        del box.x
    assert box.x == 1


def test_a_module_that_pure_was_not_given() -> None:
    other = Box(x=1)

    def run(box: Box) -> None:
        assert message(lambda: setattr(other, "x", 2)) == NOT_GIVEN
        box.x = 2

    pax.pure(run)(Box(x=0))
    assert other.x == 1
    assert message(lambda: setattr(other, "x", 2)) == OUTSIDE


def test_a_thrown_away_update_says_what_to_do() -> None:
    with pytest.raises(pax.PurityError) as error:
        Counter()(normal(2))
    assert str(error.value) == (
        "setting `count` of Counter was tried outside `pax.pure`; a module does not change, and "
        "the update would be lost.\n  at: model\n  fix: run it as `module, out = "
        "pax.purecall(module, ...)`, or switch the module to `module.eval()`; for a one-off edit "
        "use `module.replace(...)`."
    )


def test_permissions_nest_and_end_with_their_blocks() -> None:
    with permission() as outer:
        with permission() as inner:
            module = Box()
            assert dict(inner.born) == {id(module): module}
            assert dict(outer.born) == {}
            del module
            assert dict(inner.born) == {}
        assert message(lambda: inner.check("it"))
        outer.check("it")
        later = Box()
        assert dict(outer.born) == {id(later): later}
    assert message(lambda: outer.check("it"))
    note_birth(Box())


def test_permissions_may_end_in_any_order() -> None:
    first, second = permission(), permission()
    with_first, with_second = first.__enter__(), second.__enter__()
    first.__exit__(None, None, None)
    module = Box()
    assert dict(with_second.born) == {id(module): module}
    assert dict(with_first.born) == {}
    with_second.check("it")
    second.__exit__(None, None, None)


def test_a_draft_knows_what_was_written() -> None:
    draft = Draft(Permit())
    assert draft.moving
    assert (dict(draft.known), draft.written) == ({}, set())
    assert check_mutable(draft, "it") is draft


def test_a_module_is_sealed_outside_of_pure() -> None:
    def run(inside: Box) -> tuple[bool, bool]:
        return is_sealed(inside), is_sealed(outside)

    outside = Box()
    assert is_sealed(outside)
    assert pax.pure(run)(Box()) == (False, True)
