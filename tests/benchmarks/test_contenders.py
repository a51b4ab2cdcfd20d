"""All contenders compute the same functions, and take the same training steps."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from benchmarks.contenders import CONTENDERS, make
from benchmarks.sizes import sizes_of
from benchmarks.task import Absent
from tests.benchmarks.decoder_weights import load_decoder
from tests.benchmarks.recurrent_weights import Weights
from tests.benchmarks.weights import load, parameters, randomized

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

_SEQUENCE = {"batch": 2, "time": 5, "inputs": 3, "width": 4}
_DEEP = {"batch": 2, "time": 5, "layers": 1, "width": 8, "heads": 2}
_IMAGES = {"batch": 4, "width": 4, "channels": (8, 16), "blocks_per_group": (1, 2), "classes": 3}

TINY: dict[str, dict[str, Any]] = {
    "dense": {"batch": 3, "depth": 2, "width": 4},
    "mlp": {"batch": 3, "inputs": 5, "width": 7, "classes": 2},
    "cnn": {"batch": 2, "image": 8, "channels": (3, 4), "hidden": 5, "classes": 2},
    "resnet": {"image": 8, **_IMAGES},
    "resnet50": {"image": 17, **_IMAGES},
    "transformer": _DEEP,
    "transformer_stacked": _DEEP | {"layers": 2},
    "lstm": _SEQUENCE,
    "lstm_cell": _SEQUENCE,
    "gru": _SEQUENCE,
    "gru_cell": _SEQUENCE,
}

#: Reset the state of the GRU after the product, not before: another function of the same shapes.
RESET_AFTER = [("gru", "equinox"), ("gru", "nnx"), ("gru", "torch")]

#: Numbers that a contender has more than the others: biases of which only the sum counts, and
#: that of the candidate in a GRU that resets after the product. Width 4.
MORE = {("lstm", "torch"): 16, ("gru", "torch"): 12, ("gru", "equinox"): 4}

#: What a contender does not have; all others have all models.
ABSENT = [
    ("transformer_stacked", "torch"),
    *(("attention", peer) for peer in ("equinox", "haiku")),
    *((cell, peer) for cell in ("lstm_cell", "gru_cell") for peer in CONTENDERS[2:]),
]

OTHERS = [contender for contender in CONTENDERS if contender != "jax"]
PAIRS = [(m, c) for m in TINY for c in OTHERS if (m, c) not in ABSENT]


@pytest.fixture(autouse=True)
def defaults_of_jax() -> Iterator[None]:
    """The other libraries are written for JAX's defaults."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@functools.cache
def reference(model: str) -> tuple[Weights, np.ndarray]:
    """Returns the weights that all contenders get, and what the hand-written model makes."""
    task: Any = make("jax", model, **TINY[model])
    task.draw()
    weights = randomized(task)
    load("jax", model, task, weights)
    return weights, task.outputs()


def prepared(contender: str, model: str) -> Any:
    task: Any = make(contender, model, **TINY[model])
    task.construct()
    load(contender, model, task, reference(model)[0])
    return task


def check_outputs(contender: str, model: str) -> None:
    outputs = prepared(contender, model).outputs()
    np.testing.assert_allclose(outputs, reference(model)[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("contender", OTHERS)
def test_outputs_of_a_transformer_are_the_same(contender: str) -> None:
    check_outputs(contender, "transformer")


@pytest.mark.slow
@pytest.mark.parametrize(("model", "contender"), [p for p in PAIRS if p not in RESET_AFTER])
def test_all_outputs_and_training_steps_are_the_same(model: str, contender: str) -> None:
    # the averages of batch norms count only later, and torch trains a bias of its LSTM twice
    if not model.startswith("resnet"):
        check_outputs(contender, model)
    ours, theirs = prepared(contender, model), prepared("jax", model)
    steps = 1 if (model, contender) == ("lstm", "torch") else 4
    losses = [[task.step() for _ in range(steps)] for task in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=2e-4)
    # evaluation sees what was learned; nnx averages its batches as the hand-written norm does
    if model in ("mlp", "transformer") or (model, contender) == ("resnet", "nnx"):
        np.testing.assert_allclose(ours.outputs(), theirs.outputs(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "contender"), [("identity", c) for c in OTHERS] + PAIRS)
def test_shapes_and_numbers_of_parameters_are_the_same(model: str, contender: str) -> None:
    sizes = TINY.get(model, {})
    ours, theirs = (make(c, model, **sizes) for c in (contender, "jax"))
    for task in (ours, theirs):
        task.construct()
    assert ours.outputs().shape == theirs.outputs().shape == sizes_of(model, **sizes).shapes()[1]
    counts = [
        sum(math.prod(shape) for shape in parameters(c, task))
        for c, task in ((contender, ours), ("jax", theirs))
    ]
    assert counts[0] == counts[1] + MORE.get((model, contender), 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "contender"),
    [("attention_library", "jax"), *(("attention", c) for c in ("pax", "nnx", "torch"))],
)
def test_attention_is_the_same(model: str, contender: str) -> None:
    ours, theirs = make(contender, model, time=130), make("jax", "attention", time=130)
    for task in (ours, theirs):
        task.construct()
    np.testing.assert_allclose(ours.outputs(), theirs.outputs(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.step(), theirs.step(), rtol=1e-5)


@pytest.mark.parametrize(("model", "contender"), ABSENT)
def test_what_is_absent_says_so(model: str, contender: str) -> None:
    with pytest.raises(Absent, match=f"there is no {model} of"):
        make(contender, model)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["decoding", "decoding_stacked"])
def test_all_write_the_same_tokens(model: str) -> None:
    sizes = {"batch": 2, "time": 12, "layers": 2, "width": 12, "heads": 3, "kv_heads": 1}
    sizes |= {"hidden": 16, "vocab_size": 40}
    ours, theirs = (make(contender, model, **sizes) for contender in ("pax", "torch"))
    for task in (ours, theirs):
        task.construct()
    ours.model = load_decoder(ours.model, theirs.model)
    np.testing.assert_array_equal(ours.outputs(), theirs.outputs())
    assert len(np.unique(ours.outputs())) > 6
