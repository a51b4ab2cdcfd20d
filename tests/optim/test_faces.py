"""`pax.utils` is where PAX programs find three functions."""

from __future__ import annotations

import pax


def test_the_names_are_those_of_pax() -> None:
    assert pax.utils.build_update_fn is pax.build_update_fn
    assert pax.utils.grad is pax.grad
    assert pax.utils.scan is pax.scan
