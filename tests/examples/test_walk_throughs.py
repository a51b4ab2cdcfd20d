"""The short programs say what they teach, and what they say is so."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from examples import dataclass_module, graph_module, lazy_module, optimizer_module
from tests.examples.program import finish, start

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

Run = Callable[..., str]
PROGRAMS = [dataclass_module, graph_module, lazy_module, optimizer_module]


def accuracies(output: str) -> list[float]:
    return [float(x) for x in re.findall(r"accuracy[^:\n]*?:? (\d+\.\d)%", output)]


def test_dataclass_module(run: Run) -> None:
    first, *lines = run(dataclass_module, "--steps", "60", "--seed", "3").splitlines()
    assert first == "children: prepare, layers, dropout"
    assert lines[:-1] == [
        "Classifier",
        "├── Standardize",
        "├── Linear(in_dim=784, out_dim=100, with_bias=True)",
        "├── Linear(in_dim=100, out_dim=10, with_bias=True)",
        "└── Dropout(dropout_rate=0.2)",
        "dataclasses.replace: layers of [200, 10]",
        "Module.replace keeps the weights: True",
    ]
    assert accuracies(lines[-1])[0] > 70


def test_lazy_module(run: Run) -> None:
    output = run(lazy_module, "--steps", "40", "--seed", "3")
    lesson, large, small = re.split(r"Images of \d+ x \d+ pixels\n", output)
    assert "LazyNetwork creates `conv1` at its first call" in lesson
    for part, in_dim in (large, 3136), (small, 1024):
        before, after, *_, last, accuracy = part.splitlines()
        assert (before, after) == ("new: LazyNetwork", "after the first call: LazyNetwork")
        assert last == f"└── Linear(in_dim={in_dim}, out_dim=10, with_bias=True)"
        assert accuracies(accuracy)[0] > 60


def test_graph_module(run: Run) -> None:
    output = run(graph_module, "--steps", "30", "--seed", "3")
    assert "got input of shape (2, 784); expected (..., 28)." in output
    assert "close by: 1568 features" in output  # of 7 x 7 places, 32 channels
    assert "as a whole: 64 features" in output
    assert "└── Linear(in_dim=1632, out_dim=10, with_bias=True)" in output
    assert accuracies(output)[0] > 50


def test_the_graph_computes_what_its_lines_say() -> None:
    images = jnp.asarray(np.random.default_rng(1).random((3, 8, 8)), jnp.float32)
    model = graph_module.build(np.asarray(images)).eval()
    conv, norm, conv1, norm1, conv2, norm2, whole, output = model.modules
    x = jax.nn.relu(norm(conv(images[..., None])))
    x = x + jax.nn.relu(norm1(conv1(x)))
    x = x.reshape(3, 2, 2, 2, 2, 32).max(axis=(2, 4))
    x = x + jax.nn.relu(norm2(conv2(x)))
    flat = jax.nn.relu(whole(images.reshape(3, 64)))
    expected = output(jnp.concatenate([x.reshape(3, -1), flat], axis=1))
    np.testing.assert_allclose(model(images), expected, rtol=1e-5, atol=1e-5)


def test_optimizer_module(run: Run) -> None:
    by_hand, of_optax, difference = run(optimizer_module, "--steps", "60").splitlines()
    line = (
        r"Adam (.+): loss (\d\.\d{4}) to (\d\.\d{4}), test accuracy (\d\d\.\d)%; "
        r"its state is (\d+) arrays"
    )
    a, b = re.fullmatch(line, by_hand), re.fullmatch(line, of_optax)
    assert a and b
    assert (a[1], b[1]) == ("by hand", "of optax")
    assert a.groups()[1:4] == b.groups()[1:4]
    assert (a[5], b[5]) == ("9", "9")  # two moments of four arrays, and a count
    assert float(a[3]) < 1 < 2 < float(a[2])
    assert float(a[4]) > 70
    apart, moved = map(float, re.findall(r"weight: (\S+?e-\d\d)", difference))
    assert apart < 1e-5 < 1e-2 < moved


def test_adam_follows_its_formula() -> None:
    """On one number, by hand: the first step is the rate, whatever the gradient."""
    params = pax.Linear(1, 1, with_bias=False).parameters()
    with jax.numpy_dtype_promotion("standard"):
        optimizer = optimizer_module.Adam(params, rate=0.1)
        mean = square = 0.0
        for i, gradient in enumerate([3.0, -1.0, 0.5], 1):
            grads = params.map(lambda x, g=gradient: jnp.full_like(x, g))
            optimizer, updates = pax.purecall(optimizer, grads)
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            expected = 0.1 * mean / (1 - 0.9**i) / (np.sqrt(square / (1 - 0.999**i)) + 1e-8)
            np.testing.assert_allclose(updates.weight, [[expected]], rtol=1e-4)
            assert i > 1 or abs(expected - 0.1) < 1e-6


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_a_page(program: object) -> None:
    source = Path(str(getattr(program, "__file__", None))).read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 110


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [("dataclass_module", 93), ("graph_module", 93), ("lazy_module", 92), ("optimizer_module", 89)],
)
def test_at_full_size(environment: dict[str, str], name: str, least: float) -> None:
    output = finish(start(environment, name))
    assert min(accuracies(output)) > least
