"""The example trains, saves, stops, goes on and says what is missing."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from examples import mnist
from tests.examples.program import finish, png_size, start

EPOCH = re.compile(
    r"epoch +(\d+)  training: loss (\d\.\d{3}), accuracy (\d+\.\d)%"
    r"  test: loss (\d\.\d{3}), accuracy (\d+\.\d)%"
)
SMALL = ["--epochs", "2", "--batch-size", "200", "--seed", "5"]


@pytest.fixture(scope="module")
def whole(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A run that nothing interrupts: what it printed, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return finish(start(environment, "mnist", *SMALL, "--output", str(folder))), folder


def test_what_it_prints_is_plain_text(whole: tuple[str, Path]) -> None:
    output, folder = whole
    first, second, weights, picture, *summary, accuracy = output.splitlines()
    epochs = [EPOCH.fullmatch(line) for line in (first, second)]
    assert [match and match[1] for match in epochs] == ["1", "2"]
    assert weights == f"weights after 2 of 2 epochs: {folder / 'mnist.safetensors'}"
    assert picture == f"picture: {folder / 'mnist.png'}"
    assert summary[0] == "ConvNet"
    assert summary[-1] == "└── Linear(in_dim=3136, out_dim=10, with_bias=True)"
    reached = re.fullmatch(r"test accuracy: (\d\d\.\d\d)%", accuracy)
    assert reached and float(reached[1]) > 75  # of ten classes, after 40 steps
    assert epochs[-1] and abs(float(reached[1]) - float(epochs[-1][5])) < 0.06


def test_the_file_holds_all_that_training_changes(whole: tuple[str, Path]) -> None:
    arrays = load_file(whole[1] / "mnist.safetensors")
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes["model.conv1.weight"] == (5, 5, 1, 32)
    assert shapes["model.norm2.ema_var.averages"] == (1, 1, 1, 64)
    assert shapes["model.dropout.rng_key"] == (2,)
    assert shapes["history"] == (2, 4)
    moments = [name for name in shapes if name.startswith("optimizer_state.")]
    assert {shapes[name] for name in moments if name.endswith("mu.output.weight")} == {(3136, 10)}
    counts = {int(arrays[name]) for name in moments if name.endswith(".count")}
    assert counts == {40}


def test_the_picture_is_one(whole: tuple[str, Path]) -> None:
    width, height = png_size(whole[1] / "mnist.png")
    assert 600 < width < 2000
    assert 600 < height < 2000


@pytest.mark.slow
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(
    environment: dict[str, str], whole: tuple[str, Path], tmp_path: Path
) -> None:
    # a program in the background of a shell ignores this signal, and hands that down
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(environment, "mnist", *SMALL, "--output", str(tmp_path))
    signal.signal(signal.SIGINT, before)
    assert process.stdout
    assert EPOCH.fullmatch(process.stdout.readline().rstrip())
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    file = tmp_path / "mnist.safetensors"
    assert len(load_file(file)["history"]) == 1
    assert output.splitlines()[-1] == f"weights after 1 of 2 epochs: {file}"
    assert not file.with_suffix(".png").exists()

    resumed = finish(start(environment, "mnist", "--resume", "--output", str(tmp_path)))
    assert resumed.splitlines()[0] == whole[0].splitlines()[1]
    expected = load_file(whole[1] / "mnist.safetensors")
    found = load_file(file)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_an_interrupted_run_goes_on_in_this_process_too(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The quick twin of the test above: few and small images, the signal raised by hand."""
    draws, train_epoch = np.random.default_rng(7), mnist.train_epoch
    images = (draws.random((30, 8, 8), np.float32), draws.integers(10, size=30).astype(np.int32))
    monkeypatch.setattr(mnist, "load_data", lambda name: (images, images))
    monkeypatch.setattr(mnist, "draw", lambda *arguments: None)
    arguments = ["--epochs", "2", "--batch-size", "15", "--seed", "5", "--output"]
    whole = run(mnist, *arguments, str(tmp_path / "whole")).splitlines()

    def one_epoch(optimizer: Any, run: mnist.Run, *rest: Any) -> mnist.Run:
        if len(run.history):
            raise KeyboardInterrupt
        return train_epoch(optimizer, run, *rest)

    with monkeypatch.context() as interrupted, pytest.raises(SystemExit) as stop:
        interrupted.setattr(mnist, "train_epoch", one_epoch)
        run(mnist, *arguments, str(tmp_path / "parts"))
    assert stop.value.code == 130
    file = tmp_path / "parts" / "mnist.safetensors"
    assert len(load_file(file)["history"]) == 1
    resumed = run(mnist, "--resume", "--output", str(file.parent)).splitlines()
    assert resumed[:3] == [
        whole[0],
        f"weights after 1 of 2 epochs: {file}",
        whole[1],
    ]  # what the interrupted run printed is read with it
    expected, found = load_file(tmp_path / "whole" / "mnist.safetensors"), load_file(file)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the command in this process, as far as it gets before the first array."""

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["mnist.py", *arguments])
        mnist.main()

    return run


def test_help_names_every_option(
    command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    source = Path(mnist.__file__).read_text(encoding="utf-8")
    options = re.findall(r'add_argument\("(--[\w-]+)"', source)
    assert {"--data", "--epochs", "--batch-size", "--seed", "--output", "--resume"} == set(options)
    for option in options:
        assert re.search(rf"^  {option} [^-]*\(default: \S+\)$", text, re.MULTILINE | re.DOTALL)
    assert "status 130" in " ".join(text.split())


def test_resume_wants_a_file(command: Callable[..., None], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        command("--resume", "--output", str(tmp_path))
    file = tmp_path / "mnist.safetensors"
    assert stop.value.code == f"--resume: there is no {file} to go on from."


@pytest.mark.parametrize(
    "arguments", [("--epochs", "0"), ("--batch-size", "0"), ("--batch-size", "4001")]
)
def test_sizes_that_leave_nothing_to_do(
    command: Callable[..., None], tmp_path: Path, arguments: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command(*arguments, "--output", str(tmp_path))
    assert stop.value.code == "--epochs starts at 1; --batch-size goes from 1 to 4000."
    assert not list(tmp_path.iterdir())


@pytest.fixture
def usual_promotion() -> Iterator[None]:
    """The example is written for JAX's usual promotion of dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.usefixtures("usual_promotion")
@pytest.mark.parametrize(
    ("turn", "down", "right"), [(0.0, 0.0, 0.0), (0.0, 1.0, -1.0), (np.pi / 2, 0.0, 0.0)]
)
def test_augment_moves_each_point(
    monkeypatch: pytest.MonkeyPatch, turn: float, down: float, right: float
) -> None:
    """With known draws: 8 % of 50 is 4 points, and a right angle swaps the axes."""
    changes = np.array([turn / 0.25, 0.0, down, right], np.float32).reshape(4, 1, 1, 1)
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape, minval: changes)
    image = np.zeros((50, 50), np.float32)
    image[10:30, 15:40] = np.random.default_rng(5).random((20, 25))
    moved = np.asarray(mnist.augment(jax.random.key(0), image[None])[0])
    expected = (
        np.rot90(image) if turn else np.roll(image, (-4 * int(down), -4 * int(right)), (0, 1))
    )
    np.testing.assert_allclose(moved, expected, atol=1e-5)


@pytest.mark.usefixtures("usual_promotion")
def test_augment_changes_each_image_in_its_own_way() -> None:
    image = np.random.default_rng(6).random((28, 28), np.float32)
    images = np.broadcast_to(image, (3, 28, 28))
    changed = np.asarray(mnist.augment(jax.random.key(1), images))
    assert changed.shape == images.shape
    assert all(np.abs(a - b).max() > 0.05 for a, b in zip(changed, changed[[1, 2, 0]], strict=True))
    np.testing.assert_array_equal(changed, mnist.augment(jax.random.key(1), images))
    assert np.abs(changed - mnist.augment(jax.random.key(2), images)).max() > 0.05


def test_it_is_a_page() -> None:
    assert len(Path(mnist.__file__).read_text(encoding="utf-8").splitlines()) < 200


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_accuracy(environment: dict[str, str], tmp_path: Path, seed: int) -> None:
    output = finish(start(environment, "mnist", "--seed", str(seed), "--output", str(tmp_path)))
    assert float(output.splitlines()[-1].split()[-1].rstrip("%")) >= 98
