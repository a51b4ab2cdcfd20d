"""Signatures of the core, as the interface page gives them."""

from __future__ import annotations

import inspect

import pytest

import pax

SIGNATURES = {
    "Module": "*, training=True, name=None",
    "Module.replace": "self, **attributes",
    "Module.set_attribute": "self, name, value",
    "Module.replace_node": "self, node, value",
    "Module.replace_method": "self, **methods",
    "Module.map": "self, fn, *others",
    "Module.apply": "self, fn",
    "Module.apply_submodules": "self, fn",
    "Module.update_parameters": "self, params",
    "Module.load_state_dict": "self, state_dict",
    "Module.summary": "self, return_list=False",
    "Module.train": "self",
    "Module.eval": "self",
    "Module.parameters": "self",
    "Module.copy": "self",
    "Module.submodules": "self",
    "Module.state_dict": "self",
    "Module.scan_bugs": "self",
    "parameters_method": "*names, submodules=True",
    "pure": "fn",
    "purecall": "module, *args, **kwargs",
    "module_and_value": "fn",
    "experimental.mutable": "module",
    "seed_rng_key": "seed",
    "next_rng_key": "",
    "enable_train_mode": "module",
    "enable_eval_mode": "module",
    "select_parameters": "module",
    "update_parameters": "module, *, params",
    "freeze_parameters": "module",
    "unfreeze_parameters": "module, *, origin",
    "assert_structure_equal": "a, b",
    "value_and_grad": "fn, has_aux=False, *, holomorphic=False, allow_int=False",
    "grad": "fn, has_aux=False, *, holomorphic=False, allow_int=False",
    "scan": "fn, init, xs, length=None, unroll=1, time_major=True",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_the_page(name: str) -> None:
    found = pax
    for part in name.split("."):
        found = getattr(found, part)
    signature = inspect.signature(found)  # type: ignore[arg-type]
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=signature.empty))
    assert text == f"({SIGNATURES[name]})"
