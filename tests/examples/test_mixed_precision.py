"""Three precisions of one network: the same parameters, other arithmetic, smaller activations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from examples import mixed_precision
from examples.mnist import ConvNet
from tests.examples.program import finish, start

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

HALF = {"bfloat16": "bf16", "float16": "f16"}


def rows(output: str) -> dict[str, list[str]]:
    """Returns the cells of the table that was printed, by precision."""
    cells = [re.split(r" *[│|] *", line.strip())[1:-1] for line in output.splitlines()]
    return {row[0]: row[1:] for row in cells if row and row[0] in ("float32", *HALF)}


@pytest.mark.slow
def test_the_program_compares_three_precisions(environment: dict[str, str]) -> None:
    small = ["--epochs", "1", "--batch-size", "250", "--seed", "5"]
    table = rows(finish(start(environment, "mixed_precision", *small)))
    assert list(table) == ["float32", "bfloat16", "float16"]
    accuracy, kept, memory, times, scales, skipped = zip(*table.values(), strict=True)
    assert all(float(x.removesuffix("%")) > 70 for x in accuracy)  # of ten classes, in 16 steps
    full, *half = (float(x.removesuffix(" MB")) for x in kept)
    assert half[0] == half[1]
    assert 0.5 * full < half[0] < 0.8 * full
    assert all(float(x.removesuffix(" MB")) > 1 for x in memory)
    assert all(float(x.removesuffix(" ms")) > 1 for x in times)
    assert scales[:2] == ("1", "1")
    lost = int(skipped[2].removesuffix(" of 16"))
    assert skipped == ("0 of 16", "0 of 16", f"{lost} of 16")
    assert int(scales[2]) == 2 ** (15 - lost)


@pytest.fixture
def model() -> ConvNet:
    return ConvNet(8, jax.random.PRNGKey(3))


@pytest.fixture
def usual_promotion() -> Iterator[None]:
    """The example is written for JAX's usual promotion of dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def loss_and_grad(model: ConvNet, name: str) -> tuple[Any, Any]:
    """Returns loss, accuracy, model, gradients and scale in one precision; and the program."""
    numbers = np.random.default_rng(4)
    inputs = numbers.random((5, 8, 8), np.float32), np.arange(5, dtype=np.int32)
    changed, loss_scale = mixed_precision.in_precision(model, name)
    function = jax.jit(pax.value_and_grad(mixed_precision.loss_fn, has_aux=True))
    lowered = function.lower(changed, loss_scale, *inputs)
    (scaled, (loss, _, new)), grads = lowered.compile()(changed, loss_scale, *inputs)
    assert scaled == loss * loss_scale.loss_scale
    return (loss, new, grads, loss_scale.loss_scale), lowered.as_text()


@pytest.mark.usefixtures("usual_promotion")
def test_the_arithmetic_is_half_and_the_rest_is_full(model: ConvNet) -> None:
    (expected, _, full_grads, _), _ = loss_and_grad(model, "float32")
    for name, short in HALF.items():
        (loss, new, grads, scale), program = loss_and_grad(model, name)
        # Two convolutions and a matrix, forward, then back to weights and to all but the image.
        products = re.findall(r"\.(?:convolution|dot_general)\b.*-> tensor<.*x(\w+)>", program)
        assert products == [short] * 8
        state = [x for x in jax.tree.leaves((new, grads)) if jnp.issubdtype(x.dtype, jnp.floating)]
        assert {str(x.dtype) for x in state} == {"float32"}
        assert loss == pytest.approx(float(expected), rel=0.03)
        found, wanted = grads.output.weight / scale, full_grads.output.weight
        assert np.linalg.norm(found - wanted) < 0.05 * np.linalg.norm(wanted)


@pytest.mark.usefixtures("usual_promotion")
def test_what_is_kept_counts_each_activation_once(model: ConvNet) -> None:
    """A linear layer keeps its input and its weight to go back; here in either precision."""

    def kept(name: str, count: int) -> int:
        inputs = jnp.zeros((count, 8, 8)), jnp.zeros(count, jnp.int32)
        return mixed_precision.kept_bytes(*mixed_precision.in_precision(model, name), *inputs)

    assert kept("float32", 20) - kept("float32", 10) == kept("float32", 40) - kept("float32", 30)
    each = {name: (kept(name, 20) - kept(name, 10)) // 10 for name in ("float32", *HALF)}
    pixels, first, second = 64, 16 * 32, 4 * 64  # numbers in the image and after each convolution
    assert each["float32"] > 4 * (pixels + 3 * first + 3 * second)
    saved = each["float32"] - each["float16"]
    assert saved == each["float32"] - each["bfloat16"] >= 2 * (pixels + first + second)


@pytest.mark.slow
def test_accuracy_at_full_size(environment: dict[str, str]) -> None:
    table = rows(finish(start(environment, "mixed_precision")))
    accuracy = [float(row[0].removesuffix("%")) for row in table.values()]
    assert len(accuracy) == 3
    assert min(accuracy) > 98
    assert float(table["float16"][-1].removesuffix(" of 496")) < 10
