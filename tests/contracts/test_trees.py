"""A layer as a tree: copied, pickled, saved, switched, selected, printed."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy

import pax
from tests.catalogue import LAYERS
from tests.contracts.case import Case, assert_same, built, compiled, key, over, paths, subject


@over(LAYERS)
def test_flatten_and_unflatten(case: Case) -> None:
    pax.testing.check_pytree(subject(case))
    module = built(case)
    leaves, treedef = jax.tree.flatten(module)
    again = treedef.unflatten(leaves)
    assert again is not module
    assert type(again) is type(module)
    with_paths, treedef_of_paths = jax.tree_util.tree_flatten_with_path(module)
    assert treedef_of_paths == treedef
    assert all(x is y for (_, x), y in zip(with_paths, leaves, strict=True))
    assert jax.tree.structure(built(case)) == jax.tree.structure(case.make(key(1)))


@over(LAYERS)
def test_the_documented_arrays_are_there(case: Case) -> None:
    module = built(case)
    assert paths(module.parameters()) == case.parameters.split()
    assert sorted(paths(module)) == sorted(f"{case.parameters} {case.state}".split())
    for x in jax.tree.leaves(module):
        assert isinstance(x, jax.Array)
        assert not x.weak_type  # else a program is traced again after the first update
    assert ~module == module.parameters() == module.parameters().parameters()
    assert module.update_parameters(module.parameters()) == module


@over(LAYERS)
def test_copies_are_equal(case: Case) -> None:
    module = built(case)
    for copied in (copy.copy(module), module.copy()):
        assert copied is not module
        assert copied == module
        assert hash(copied) == hash(module)
    assert not {id(x) for x in modules_of(copied)} & {id(x) for x in modules_of(module)}


@over(LAYERS, "pickle")
def test_deepcopy_copies_the_arrays(case: Case) -> None:
    module = built(case)
    copied = copy.deepcopy(module)
    assert_same(copied, module)
    assert hash(copied) == hash(module)
    assert (copied == module) == (not jax.tree.leaves(module))


@over(LAYERS, "pickle")
def test_pickle(case: Case) -> None:
    module = built(case)
    loaded = pickle.loads(pickle.dumps(module))
    assert_same(loaded, module)
    assert hash(loaded) == hash(module)
    inputs = case.inputs()
    assert_same(compiled(case)(loaded, *inputs), compiled(case)(module, *inputs))


def through_npz(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file) as loaded:
        return dict(loaded)


def through_safetensors(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return safetensors.numpy.load(safetensors.numpy.save(arrays))


@pytest.mark.parametrize("through", [through_npz, through_safetensors])
@over(LAYERS)
def test_state_dict_round_trip(case: Case, through: Callable[[Any], Any]) -> None:
    module, state = built(case), built(case).state_dict()
    treedef, names = jax.tree.structure(state), paths(state)
    saved = {name: np.asarray(x) for name, x in zip(names, jax.tree.leaves(state), strict=True)}
    loaded = through(saved)
    restored = case.make(key(1)).load_state_dict(treedef.unflatten([loaded[k] for k in names]))
    assert_same(restored, module)


@over(LAYERS)
def test_modes_reach_every_submodule(case: Case) -> None:
    module = built(case)
    assert {m.training for m in modules_of(module.train())} == {True}
    assert {m.training for m in modules_of(module.eval())} == {False}
    assert_same(module.eval().train(), module.train())
    assert pax.enable_train_mode(module.eval()) == module.train()
    assert pax.enable_eval_mode(module) == module.eval()


@over([case for case in LAYERS if case.changes], "still")
def test_nothing_changes_in_eval_mode(case: Case) -> None:
    module = built(case).eval()
    after, _ = pax.pure(lambda m, *xs: (m, case.call(m, *xs)))(module, *case.inputs())
    assert after == module


@over(LAYERS)
def test_texts(case: Case) -> None:
    module = built(case)
    text = repr(module)
    assert text
    assert "\n" not in text
    assert text.startswith(f"({module.name}) ") == (module.name is not None)
    assert type(module).__name__ in text or isinstance(module, pax.Lambda)
    lines = module.summary(return_list=True)
    assert lines[0] == text
    assert module.summary() == "\n".join(lines)


def modules_of(module: pax.Module) -> list[pax.Module]:
    """Returns the module and everything under it."""
    return [module, *(m for sub in module.submodules() for m in modules_of(sub))]
