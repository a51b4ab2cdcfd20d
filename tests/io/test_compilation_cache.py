"""Compiled programs on disk: which folder, what is in it, and who may share it."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

import pax
from pax.io import compilation_cache

DIR = "jax_compilation_cache_dir"
SECONDS = "jax_persistent_cache_min_compile_time_secs"

#: Prints the answer, how many programs were asked for and how many of them were on the disk.
PROGRAM = """
import sys
import jax, jax.numpy as jnp, pax
first = jax.jit(lambda x: 3 * x)(2.0)  # compiled before the cache is there
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
pax.use_compilation_cache(sys.argv[1])
net = pax.Linear(3, 2, rng_key=jax.random.key(0))
grads = jax.jit(pax.grad(lambda net, x: jnp.mean(net(x) ** 2)))(net, jnp.ones((4, 3)))
cache = "/jax/compilation_cache/"
asked, found = (events.count(cache + x) for x in ("compile_requests_use_cache", "cache_hits"))
print(float(grads.weight.sum()), asked, found)
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A process that knows no folder yet, of a user whose home is empty."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    config: Any = jax.config
    before = {name: getattr(config, name) for name in (DIR, SECONDS)}
    jax.config.update(DIR, None)
    jax.config.update(SECONDS, 1.0)
    yield config
    for name, value in before.items():
        jax.config.update(name, value)


def start(folder: Path) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env=kept | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, int, int, str]:
    """Returns the answer, programs asked for, programs found, and complaints."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    answer, asked, found = output.split()
    return answer, int(asked), int(found), errors


def test_two_at_once_fill_a_folder_and_the_next_compiles_nothing(tmp_path: Path) -> None:
    both = [start(tmp_path), start(tmp_path)]
    results = [finish(process) for process in both]
    answer, asked, found, errors = finish(start(tmp_path))
    assert asked > 3
    assert (found, errors) == (asked, "")
    for result in results:
        assert (result[0], result[1], result[3]) == (answer, asked, "")


@pytest.mark.slow
def test_half_an_entry_is_a_warning_and_a_compilation(tmp_path: Path) -> None:
    answer, *_ = finish(start(tmp_path))
    entries = list(tmp_path.rglob("*-cache"))
    for entry in entries:
        os.truncate(entry, entry.stat().st_size // 2)
    again, _, found, errors = finish(start(tmp_path))
    assert (again, found) == (answer, 0)
    names = {entry.name.split("-")[0] for entry in entries}  # Python warns once of one text
    for name in names:
        assert f"Error reading persistent compilation cache entry for '{name}'" in errors
    assert names


def test_the_folder_of_the_user(config: Any, tmp_path: Path) -> None:
    folder = pax.use_compilation_cache()
    assert folder is not None
    assert folder.is_relative_to(tmp_path / "home")
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o077 == 0  # for the user alone
    assert (config.jax_compilation_cache_dir, getattr(config, SECONDS)) == (str(folder), 0.0)
    assert pax.use_compilation_cache() == folder


@pytest.mark.parametrize(
    ("system", "environment", "expected"),
    [
        ("linux", {}, "home/.cache/pax"),
        ("linux", {"XDG_CACHE_HOME": "{}/mine"}, "mine/pax"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/pax"),
        ("darwin", {"XDG_CACHE_HOME": "{}/mine"}, "home/Library/Caches/pax"),
        ("win32", {}, "home/AppData/Local/pax"),
        ("win32", {"LOCALAPPDATA": "{}/local"}, "local/pax"),
    ],
)
@pytest.mark.usefixtures("config")
def test_where_each_system_wants_it(
    system: str,
    environment: dict[str, str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert compilation_cache._user_folder() == tmp_path / expected


def test_a_folder_of_ones_own(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = pax.use_compilation_cache("~/mine")
    assert folder is not None
    assert folder.parent == tmp_path / "mine"
    assert config.jax_compilation_cache_dir == str(folder)


def test_what_the_user_has_set_stays(config: Any, tmp_path: Path) -> None:
    jax.config.update(DIR, str(tmp_path / "set"))
    assert pax.use_compilation_cache(tmp_path / "asked") == tmp_path / "set"
    assert list(tmp_path.iterdir()) == []
    assert getattr(config, SECONDS) == 1.0
    jax.config.update(DIR, "")  # what an empty variable says: no folder
    jax.config.update(SECONDS, 0.5)
    pax.use_compilation_cache(tmp_path / "asked")
    assert getattr(config, SECONDS) == 0.5


def test_each_kind_of_cpu_has_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    text = "processor\t: {}\ncpu MHz\t: {}\nflags\t: fpu {}\n\nprocessor\t: 1\nflags\t: {}\n"

    def named(*values: str) -> str:
        monkeypatch.setattr(Path, "read_text", lambda *_, **__: text.format(*values))
        return compilation_cache._cpu()

    name = named("0", "2000", "avx2", "avx2")
    assert len(name) == 16
    assert named("0", "3000", "avx2", "avx2") == name
    assert named("0", "2000", "avx2 avx512f", "avx2") != name

    def refuse(*_: Any, **__: Any) -> str:
        raise PermissionError(errno.EACCES, "no look at it")

    monkeypatch.setattr(Path, "read_text", refuse)
    without = compilation_cache._cpu()
    monkeypatch.setattr(platform, "machine", lambda: "another")
    assert len({name, without, compilation_cache._cpu()}) == 3


def test_a_user_without_a_home(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", refuse)
    with pytest.warns(UserWarning) as warned:
        assert pax.use_compilation_cache() is None
    assert [str(w.message) for w in warned] == [
        "the compilation cache: Could not determine home directory. It stays off."
    ]


def test_nothing_can_be_made_there(config: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.warns(UserWarning) as warned:
        assert pax.use_compilation_cache(file) is None
    own = file / compilation_cache._cpu()
    assert [str(w.message) for w in warned] == [
        f"the compilation cache in {own}: Not a directory; it stays off."
    ]
    assert config.jax_compilation_cache_dir is None


@pytest.mark.parametrize("why", ["Read-only file system", "7 MB are free on the disk"])
def test_a_folder_to_read_only(
    why: str, config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / compilation_cache._cpu()
    own.mkdir()
    if why.startswith("Read-only"):

        def refuse(*_: Any) -> int:
            raise OSError(errno.EROFS, why)

        monkeypatch.setattr(Path, "write_bytes", refuse)
    else:
        full = shutil._ntuple_diskusage(10**9, 10**9, 7 * 10**6)  # type: ignore[attr-defined]
        monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.warns(UserWarning) as warned:
        assert pax.use_compilation_cache(tmp_path) == own
    assert [str(w.message) for w in warned] == [
        f"the compilation cache in {own}: {why}; programs in it are used, new ones are not kept."
    ]
    assert config.jax_compilation_cache_dir == str(own)
    assert getattr(config, SECONDS) == float("inf")


def test_what_was_not_used_for_longest_goes_first(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation_cache, "_MAX_BYTES", 250)
    old_cpu = tmp_path / "another CPU"
    old_cpu.mkdir()
    #: name: (when it was written, when it was read)
    times = {"a": (1, 1), "b": (2, 9), "c": (4, 4), "d": (5, 5)}
    for name, (written, read) in times.items():
        file = old_cpu / f"{name}-cache"
        file.write_bytes(bytes(100))
        os.utime(file, (read, written))
    (tmp_path / "kept.txt").write_bytes(bytes(1000))
    pax.use_compilation_cache(tmp_path)
    left = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert left == {"b-cache", "d-cache", "kept.txt"}


def test_another_process_trims_at_the_same_time(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation_cache, "_MAX_BYTES", 150)
    for i, name in enumerate("abc"):
        file = tmp_path / f"{name}-cache"
        file.write_bytes(bytes(100))
        os.utime(file, (i, i))
    unlink = Path.unlink

    def busy(file: Path, missing_ok: bool = False) -> None:
        if file.name == "a-cache":
            raise PermissionError(errno.EACCES, "it is being read")
        if file.name == "b-cache":
            unlink(file)  # the other one was faster
        unlink(file, missing_ok)

    monkeypatch.setattr(Path, "unlink", busy)
    assert pax.use_compilation_cache(tmp_path) is not None
    assert [file.name for file in tmp_path.glob("*-cache")] == ["a-cache"]
