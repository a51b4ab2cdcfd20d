"""What a static type checker knows of a user's own module."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyright")

ROOT = Path(__file__).parents[2]

PROGRAM = """
import jax

import pax


class Net(pax.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight = jax.numpy.zeros(size)

    def __call__(self, x: jax.Array, *, scale: float = 2.5) -> jax.Array:
        return x * scale

    def step(self, n: int) -> int:
        return n

    @pax.module_and_value
    def both(self, n: int) -> int:
        return n


class Named(Net):
    parameters = pax.parameters_method("weight")


def loss_fn(model: Net, x: jax.Array) -> tuple[jax.Array, tuple[None, Net]]:
    return x, (None, model)


net = Net(3)
x = jax.numpy.zeros(3)
"""

TYPES = {
    "net": "Net",
    "net.replace(size=3)": "Net",
    "net.set_attribute('a', 3)": "Net",
    "net.eval()": "Net",
    "net.parameters()": "Net",
    "net.copy().update_parameters(net)": "Net",
    "~net": "Net",
    "net | net": "Net",
    "net % x": "tuple[Net, Any]",
    "net(x)": "Array",
    "net.__call__": "(x: Array, *, scale: float = 2.5) -> Array",
    "net.size": "int",
    "net.submodules()": "list[Module]",
    "net.both(3)": "tuple[Any, int]",
    "Named(3).parameters()": "Named",
    "Named(3).map(abs)": "Named",
    "pax.purecall(net, x)": "tuple[Net, Any]",
    "pax.pure(net)": "(x: Array, *, scale: float = 2.5) -> Array",
    "pax.pure(net.step)(3)": "int",
    "pax.module_and_value(net.step)": "(n: int) -> tuple[Any, int]",
    "pax.freeze_parameters(net)": "Net",
    "pax.enable_eval_mode(net)": "Net",
    "pax.build_update_fn(loss_fn)": "(...) -> tuple[Net, Any, Any]",
    "pax.build_update_fn(loss_fn, scan_mode=True)": "(...) -> tuple[tuple[Net, Any], Any]",
    "pax.optim.apply_gradients(net, pax.StateModule(), net)": "tuple[Net, StateModule]",
}

ERRORS = {
    "Net('x')": 'cannot be assigned to parameter "size"',
    "Net()": 'Argument missing for parameter "size"',
    "net(3)": 'cannot be assigned to parameter "x"',
    "net(x, y=3)": 'No parameter named "y"',
    "pax.purecall(3)": 'cannot be assigned to parameter "module"',
    "pax.pure(net.step)('x')": 'cannot be assigned to parameter "n"',
    "pax.build_update_fn(net.step)": 'cannot be assigned to parameter "loss_fn"',
    "net.unknown": 'Cannot access attribute "unknown"',
}


def test_types_that_a_checker_sees(tmp_path: Path) -> None:
    lines = [*(f"reveal_type({e})" for e in TYPES), *ERRORS]
    start = PROGRAM.count("\n")
    file = tmp_path / "program.py"
    file.write_text(PROGRAM + "\n".join(lines) + "\n")
    config = {"extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--project", str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    found: dict[int, str] = {}
    for item in json.loads(done.stdout)["generalDiagnostics"]:
        found.setdefault(item["range"]["start"]["line"] - start, item["message"])
    shown = dict(zip(lines, (found.pop(i, "") for i in range(len(lines))), strict=True))
    for expression, kind in TYPES.items():
        text = f"reveal_type({expression})"
        assert shown[text] == f'Type of "{expression}" is "{kind}"'
    for expression, message in ERRORS.items():
        assert message in shown[expression]
    assert not found
