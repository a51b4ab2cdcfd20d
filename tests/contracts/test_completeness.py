"""The catalogue holds every public name, and tries every argument of every layer."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any

import pytest

import pax
from tests.catalogue import LAYERS, NOT_LAYERS
from tests.catalogue_functions import FUNCTIONS, INITIALIZERS
from tests.catalogue_nets import SIZED
from tests.contracts.case import key
from tests.house.public_api import public_objects


def test_every_public_name_is_in_the_catalogue_once() -> None:
    in_tables = {
        *(case.name for case in LAYERS),
        *(case.name for case in FUNCTIONS),
        *SIZED,
        *(f"initializers.{name}" for name in INITIALIZERS),
    }
    public = [name.removeprefix("pax.") for name in public_objects()]
    assert sorted([*in_tables, *NOT_LAYERS.split()]) == sorted(public)


def test_every_layer_is_among_the_layers() -> None:
    bases = (pax.Module, pax.ParameterModule, pax.StateModule)
    graph = pax.experimental.graph
    layers = {
        prefix + name
        for prefix, part in (("", pax), ("nets.", pax.nets), ("experimental.graph.", graph))
        for name, value in vars(part).items()
        if inspect.isclass(value) and issubclass(value, pax.Module) and value not in bases
    }
    assert {case.name for case in LAYERS} | set(SIZED) == layers


def test_no_two_rows_have_one_title() -> None:
    titles = [str(case) for case in LAYERS + FUNCTIONS]
    assert len(set(titles)) == len(titles)


def test_every_argument_of_every_layer_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    untried = set()
    for cls in {operator.attrgetter(case.name)(pax) for case in LAYERS}:
        parameters = inspect.signature(cls.__init__).parameters
        untried |= {(cls.__name__, name) for name in parameters if name != "self"}
        monkeypatch.setattr(cls, "__init__", noting(untried, cls.__init__))
    for case in LAYERS:
        case.make(key())
    assert untried == set()


def noting(untried: set[tuple[str, str]], init: Callable[..., None]) -> Callable[..., None]:
    """Returns a constructor that strikes out the arguments given to it, unless by default."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def constructor(self: pax.Module, *args: Any, **options: Any) -> None:
        for name, value in signature.bind(self, *args, **options).arguments.items():
            if value is not signature.parameters[name].default:
                untried.discard((type(self).__name__, name))
        init(self, *args, **options)

    return constructor
