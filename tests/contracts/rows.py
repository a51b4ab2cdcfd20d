"""How most rows of the catalogue are written: a constructor or function and its arguments."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any

import pax
from tests.contracts.case import Case, call_itself
from tests.contracts.draws import Draw

# Why a contract does not apply.
NO_BATCH = {"empty": "no batch axis", "rows": "no batch axis"}
WHOLE_BATCH = {
    "rows": "the statistics are those of the whole batch",
    "empty": "an empty batch has no statistics; it is refused",
}
SHARED_ARGUMENT = {"rows": "an argument has no batch axis"}
DOES_NOTHING = {"operations": "the input comes back as it is"}
PRODUCTS = {"huge": "its products are beyond float16"}
WEIGHTS = PRODUCTS | {"free construction": "weights are drawn"}
INTEGERS = {"large": "the input is an integer", "huge": "the input is an integer"}


def row(
    layer: str,
    variant: str,
    positional: tuple[Any, ...],
    draw: Draw,
    parameters: str = "",
    state: str = "",
    /,
    *,
    evaluate: bool = False,
    changes: bool = False,
    call: Callable[..., Any] = call_itself,
    without: Mapping[str, str] = {},
    slow: bool = False,
    **options: Any,
) -> Case:
    """Returns the row of a layer, built from these arguments, and a key where it takes one."""

    def make(key: Any) -> pax.Module:
        cls = operator.attrgetter(layer)(pax)
        keyed = {"rng_key": key} if "rng_key" in inspect.signature(cls).parameters else {}
        built = cls(*positional, **keyed | options)
        return built.eval() if evaluate else built

    return Case(
        layer, variant, make, draw, parameters, state, changes, call, without=without, slow=slow
    )


def array_function(
    name: str,
    variant: str,
    draw: Draw,
    /,
    *args: Any,
    without: Mapping[str, str] = {},
    slow: bool = False,
    **options: Any,
) -> Case:
    """Returns the row of a function: called with the drawn arrays, then `args` and `options`."""

    def make(key: Any) -> pax.Module:
        function = operator.attrgetter(name)(pax)
        return pax.Lambda(lambda *arrays: function(*arrays, *args, **options))

    return Case(name, variant, make, draw, without=without, slow=slow)
