"""Weights as a dict: the two methods, under the names of PAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pax
from pax.experimental import load_weights_from_dict, save_weights_to_dict


def network() -> pax.Module:
    """Returns a small network with weights, averages and a function."""
    return pax.Sequential(pax.Linear(2, 3), np.tanh, pax.BatchNorm1D(3))


def test_they_are_the_two_methods() -> None:
    net = network()
    weights = save_weights_to_dict(net)
    assert weights == net.state_dict()
    assert list(weights["modules"][0]) == ["weight", "bias"]
    assert load_weights_from_dict(network(), weights) == net


def test_a_class_may_have_its_own_form() -> None:
    class Doubled(pax.Linear):
        def state_dict(self) -> dict[str, Any]:
            return {"twice": self.weight * 2}

        def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
            return self.replace(weight=state_dict["twice"] / 2)

    net = Doubled(2, 3)
    weights = save_weights_to_dict(net)
    assert list(weights) == ["twice"]
    loaded = load_weights_from_dict(Doubled(2, 3), weights)
    np.testing.assert_array_equal(loaded.weight, net.weight)


def test_entries_that_do_not_fit() -> None:
    weights = save_weights_to_dict(pax.Linear(2, 3))
    weights["bias"] = weights["weight"]
    weights["extra"] = weights.pop("weight")
    with pytest.raises(pax.StructureError) as raised:
        load_weights_from_dict(pax.Linear(2, 3), weights)
    assert str(raised.value) == (
        "the state dict does not fit Linear: extra: unknown, weight: missing, "
        "bias: float32[2,3] for float32[3].\n"
        "  fix: save and load with modules built by the same constructor arguments; cast them, "
        "or apply a precision policy, after loading."
    )


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_module() -> None:
    with pytest.raises(pax.ArgumentError) as raised:
        save_weights_to_dict({})  # type: ignore[arg-type]
    assert str(raised.value) == (
        "save_weights_to_dict got dict; expected a module.\n"
        "  fix: pass the module itself: save_weights_to_dict(model)."
    )
    with pytest.raises(pax.ArgumentError) as raised:
        load_weights_from_dict({}, network())  # type: ignore[type-var]
    assert str(raised.value) == (
        "load_weights_from_dict got dict; expected a module.\n"
        "  fix: pass the module first: load_weights_from_dict(model, weights)."
    )
