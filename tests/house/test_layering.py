"""Imports only run down, from face to face."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.house.tree import (
    definitions,
    listed,
    module_name,
    parse,
    public_names,
    python_files,
)

FLOORS = {
    "pax": 5,
    "nets": 4,
    "experimental": 4,
    "utils": 4,
    "nn": 3,
    "train": 3,
    "__main__": 3,
    "functional": 2,
    "initializers": 2,
    "generation": 2,
    "losses": 2,
    "metrics": 3,
    "optim": 2,
    "precision": 2,
    "sharding": 2,
    "io": 2,
    "host_memory": 2,
    "show": 2,
    "testing": 2,
    "_core": 1,
}

#: Layers declare what these need, in their own file, and never ask for them.
UNSEEN_BY_LAYERS = {
    "train",
    "io",
    "show",
    "precision",
    "sharding",
    "optim",
    "generation",
    "losses",
    "metrics",
}

#: (function, module): the only imports that wait until the function is called.
LATE_IMPORTS = {
    ("pax._core.module.Module.summary", "pax.show"),
    ("pax._core.module.Module.state_dict", "pax.io"),
    ("pax._core.module.Module.load_state_dict", "pax.io"),
    ("pax._core.jax_compat._trace_state_getter", "jax.extend.core"),
    ("pax._core.jax_compat.define_prng", "jax.extend.random"),
    ("pax.losses.ctc._ctc", "optax"),
    ("pax.optim.gradient_norm.record_gradient_norm", "optax"),
    ("pax.testing.references._in_torch", "torch"),
}


class Import(NamedTuple):
    """One import statement's target, with the place where it stands."""

    module: str  # the importing module: pax.nn.dense
    target: str  # the imported module: pax.functional
    function: str  # the function it waits in: Module.summary, or ""
    where: str


MODULES = {module_name(name): name for name in python_files("pax/")}


def part(module: str) -> str:
    """Returns the folder or file right under `pax` that a module belongs to."""
    return module.split(".")[1] if "." in module else module


def targets(node: ast.AST, name: str) -> list[str]:
    """Returns the modules that one statement imports, the package's own ones in full."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = module_name(name).split(".")
        package = package if name.endswith("/__init__.py") else package[:-1]
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, *([base] if base else [])])
    # what a package imports from itself is a file of it; from another, first what that defines
    is_other = base in MODULES and base != module_name(name)
    defined = public_names(MODULES[base]) if is_other else []
    names = [alias.name for alias in node.names if alias.name not in defined]
    files = [f"{base}.{name}" for name in names if f"{base}.{name}" in MODULES]
    return [*files, base] if len(files) < len(node.names) else files


def imports(name: str) -> Iterator[Import]:
    """Yields every import of a file, those inside functions included."""
    owner: dict[ast.AST, str] = {}
    for function, definition in definitions(name):
        if not isinstance(definition, ast.ClassDef):
            owner |= dict.fromkeys(ast.walk(definition), function)
    for node in ast.walk(parse(name)):
        for target in targets(node, name):
            where = f"{name}:{getattr(node, 'lineno', 0)}"
            yield Import(module_name(name), target, owner.get(node, ""), where)


IMPORTS = [found for name in MODULES.values() for found in imports(name)]
OURS = [found for found in IMPORTS if found.target.split(".")[0] == "pax"]


def is_listed(found: Import) -> bool:
    return (f"{found.module}.{found.function}", found.target) in LATE_IMPORTS


def test_every_part_has_a_floor() -> None:
    assert {part(module) for module in MODULES} <= FLOORS.keys()


def test_imports_run_down() -> None:
    offences = [
        f"{found.where} imports {found.target}"
        for found in OURS
        if part(found.target) != part(found.module)
        and FLOORS[part(found.target)] >= FLOORS[part(found.module)]
        and not is_listed(found)
    ]
    assert not offences, listed(offences)


def test_other_folders_are_reached_through_their_face() -> None:
    offences = [
        f"{found.where} imports {found.target}; write pax.{part(found.target)}"
        for found in OURS
        if part(found.target) != part(found.module) and found.target.count(".") > 1
    ]
    assert not offences, listed(offences)


def test_no_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in OURS:
        if not found.function:
            graph[found.module].add(found.target)
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_late_imports_are_the_listed_ones() -> None:
    late = {(f"{i.module}.{i.function}", i.target) for i in IMPORTS if i.function}
    assert late == LATE_IMPORTS


def test_layers_know_nothing_of_what_uses_them() -> None:
    offences = [
        f"{found.where} imports {found.target}"
        for found in OURS
        if part(found.module) in {"nn", "nets"} and part(found.target) in UNSEEN_BY_LAYERS
    ]
    assert not offences, listed(offences)


def test_nothing_below_names_a_layer() -> None:
    layers = {
        class_name
        for name in python_files("pax/nn/")
        for class_name, node in definitions(name)
        if isinstance(node, ast.ClassDef) and not class_name.startswith("_")
    }
    assert {"Linear", "Conv2D", "BatchNorm2D"} <= layers
    offences = []
    for module, name in MODULES.items():
        if FLOORS[part(module)] > FLOORS["nn"] or part(module) == "nn":
            continue
        for node in ast.walk(parse(name)):
            match node:
                case ast.Name(id=word) | ast.Attribute(attr=word) | ast.alias(name=word):
                    pass
                case ast.Constant(value=str(word)):
                    pass
                case _:
                    continue
            if word in layers:
                offences.append(f"{name}:{node.lineno} names {word}")
    assert not offences, listed(offences)
