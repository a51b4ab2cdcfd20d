"""Fine-tuning trains the new head alone, and its program says what that is worth."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from examples import fine_tune
from tests.examples.program import finish, png_size, start

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

LINE = re.compile(
    r" *(\d+) of each new class: +(\d+\.\d)% with the frozen body, +(\d+\.\d)% from scratch"
)


@pytest.mark.slow
def test_the_program(run: Callable[..., str], tmp_path: Path) -> None:
    small = ["--body-steps", "60", "--steps", "30", "--draws", "2", "--shots", "1", "8"]
    output = run(fine_tune, *small, "--seed", "5", "--output", str(tmp_path))
    first, *lines, frozen, picture = output.splitlines()
    body = re.fullmatch(r"accuracy on the classes 0 to 4: (\d\d\.\d)%", first)
    assert body and float(body[1]) > 90
    one, eight = (LINE.fullmatch(line) for line in lines)
    assert one and eight
    assert (one[1], eight[1]) == ("1", "8")
    assert float(eight[2]) > max(60, float(one[2]))  # of five classes
    # Two convolutions of 2 arrays, two norms of 2 and of 2 averages with their flags, a key.
    assert frozen == "frozen arrays: 17; none of them changed in 4 runs"
    assert picture == f"picture: {tmp_path / 'fine_tune-mnist.png'}"
    width, height = png_size(tmp_path / "fine_tune-mnist.png")
    assert 500 < width < 1000
    assert 300 < height < 1000


@pytest.fixture
def usual_promotion() -> Iterator[None]:
    """The example is written for JAX's usual promotion of dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def images() -> fine_tune.Images:
    numbers = np.random.default_rng(1)
    return numbers.random((20, 8, 8), np.float32), numbers.integers(0, 5, 20, np.int32)


@pytest.fixture
def network() -> fine_tune.Network:
    return fine_tune.Network(8, jax.random.PRNGKey(2))


@pytest.mark.usefixtures("usual_promotion")
def test_only_the_head_is_trained(network: fine_tune.Network, images: fine_tune.Images) -> None:
    before = fine_tune.with_new_head(network, jax.random.PRNGKey(3))
    assert not jax.tree.leaves(before.body.parameters())
    assert [x.shape for x in jax.tree.leaves(before.parameters())] == [(64, 5), (5,)]
    kept = [np.array(x) for x in jax.tree.leaves(before.body)]
    after = fine_tune.train(before, images, 3, np.random.default_rng(4))
    for old, new in zip(kept, jax.tree.leaves(after.body), strict=True):
        np.testing.assert_array_equal(old, new)
    assert (np.asarray(after.head.weight) != np.asarray(before.head.weight)).any()
    assert pax.assert_structure_equal(before, after)
    # All of the network that it came from can be trained.
    trained = fine_tune.train(network, images, 1, np.random.default_rng(5))
    assert len(fine_tune.changed_arrays(network, trained)) == len(jax.tree.leaves(network))


def test_changed_arrays_are_named(network: fine_tune.Network) -> None:
    assert fine_tune.changed_arrays(network, network.copy()) == []
    head = network.head.replace(bias=network.head.bias.at[2].add(1e-6))
    new = network.replace(head=head)
    assert fine_tune.changed_arrays(network, new) == ["head.bias"]


@pytest.mark.usefixtures("usual_promotion")
def test_a_body_that_changes_ends_the_program(
    monkeypatch: pytest.MonkeyPatch, network: fine_tune.Network, images: fine_tune.Images
) -> None:
    """Frozen, but left in training mode."""
    body = pax.freeze_parameters(network.body)
    monkeypatch.setattr(fine_tune, "with_new_head", lambda *_: network.replace(body=body))
    with pytest.raises(SystemExit) as stop:
        fine_tune.compare(network, images, images, 1, np.random.default_rng(6))
    text = str(stop.value.code)
    assert text.startswith("Only the head should change; of the frozen body, [")
    averages = [f"modules.{i}.ema_{x}.averages" for i in (1, 5) for x in ("mean", "var")]
    named = re.findall(r"'(\S+)'", text)
    assert {*averages, "modules.9.rng_key"} <= set(named)
    assert not [name for name in named if name.endswith((".weight", ".bias", ".scale", ".offset"))]


def test_five_classes() -> None:
    labels = np.array([7, 5, 9, 1, 5, 6, 5, 8, 9, 6], np.int32)
    pixels = np.arange(10, dtype=np.float32).reshape(10, 1, 1)
    chosen, its = fine_tune.five_classes((pixels, labels), 5)
    np.testing.assert_array_equal(its, [0, 0, 0, 1, 1, 2, 3, 4, 4])
    np.testing.assert_array_equal(chosen.ravel(), [1, 4, 6, 5, 9, 0, 7, 2, 8])
    few, its = fine_tune.five_classes((pixels, labels), 5, each=1)
    np.testing.assert_array_equal(its, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(few.ravel(), [1, 5, 0, 7, 2])


def test_accuracy(network: fine_tune.Network, images: fine_tune.Images) -> None:
    guesses = np.asarray(network.eval()(jnp.asarray(images[0]))).argmax(axis=1)
    expected = (guesses == images[1]).mean()
    assert float(fine_tune.accuracy(network, *images)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("option", ["--body-steps", "--steps", "--shots", "--draws"])
def test_nothing_to_do(run: Callable[..., str], tmp_path: Path, option: str) -> None:
    with pytest.raises(SystemExit) as stop:
        run(fine_tune, option, "0", "--output", str(tmp_path))
    assert stop.value.code == "--body-steps, --steps, --shots and --draws start at 1."


@pytest.mark.slow
def test_ctrl_c_ends_it_quietly(environment: dict[str, str], tmp_path: Path) -> None:
    process = start(environment, "fine_tune", "--steps", "100000", "--output", str(tmp_path))
    assert process.stdout
    assert process.stdout.readline().startswith("accuracy on the classes 0 to 4:")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (130, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_body_is_worth_its_training(environment: dict[str, str], tmp_path: Path) -> None:
    output = finish(start(environment, "fine_tune", "--output", str(tmp_path)))
    lines = [LINE.fullmatch(line) for line in output.splitlines()[1:-2]]
    pairs = np.array([[float(line[2]), float(line[3])] for line in lines if line])
    assert pairs.shape == (6, 2)
    gain = pairs[:, 0] - pairs[:, 1]
    assert gain[:4].min() > 0  # up to ten images of each class
    assert gain[:4].mean() > 3
