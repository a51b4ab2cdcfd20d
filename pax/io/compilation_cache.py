"""Compiled programs kept on disk, for the next start of the same script."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import jax

#: What the folder is trimmed to at each start.
_MAX_BYTES = 1_000_000_000
#: What tells kinds of CPU apart on Linux: x86, ARM, RISC-V.
_CPU_FIELDS = {"model name", "flags", "Features", "CPU implementer", "CPU part", "isa"}
#: With less room on the disk nothing is written, for JAX would leave half an entry behind.
_MIN_FREE_BYTES = 100_000_000
#: What takes less time to compile is not kept. The default is JAX's; another was set by the user.
_MIN_SECONDS = "jax_persistent_cache_min_compile_time_secs"
_DEFAULT_MIN_SECONDS = 1.0


def use_compilation_cache(folder: str | os.PathLike[str] | None = None) -> Path | None:
    """Switches on JAX's cache of compiled programs on disk: the next start compiles nothing.

    Programs are found again by what they compute, by the versions of JAX and XLA, and by the
    device. Small ones are kept too. The folder is trimmed to 1 GB at each call, what was not used
    for longest first. Several processes may share it, and machines may share a home folder: each
    kind of CPU has a folder of its own in there. Call it at the start of a script; programs that
    were compiled before are not kept.

    A folder that JAX knows already, from the environment variable JAX_COMPILATION_CACHE_DIR or
    `jax.config`, stays, whatever is asked for here, and so does a threshold. The variable
    JAX_ENABLE_COMPILATION_CACHE=false switches the cache off.

    Args:
        folder: where to keep the programs; by default `pax` in the cache folder of the user. Only
            the user may be able to write there, for whoever can decides what your script runs.
    Returns:
        The folder in use; None if there is none, of which a warning says why.
    Example:
        >>> def main():
        ...     pax.use_compilation_cache()
        ...     return pax.Linear(2, 3)(jnp.ones((4, 2)))
    """
    config: Any = jax.config  # the options are not declared to type checkers
    if config.jax_compilation_cache_dir:
        return Path(config.jax_compilation_cache_dir)
    try:
        root = _user_folder() if folder is None else Path(folder).expanduser().absolute()
    except RuntimeError as error:  # a user without a home
        warnings.warn(f"the compilation cache: {error} It stays off.", stacklevel=2)
        return None
    own = root / _cpu()
    problem = _why_not_writable(own)
    if problem is None:
        _trim(root)
        if getattr(config, _MIN_SECONDS) == _DEFAULT_MIN_SECONDS:
            jax.config.update(_MIN_SECONDS, 0.0)
    else:
        is_readable = os.path.isdir(own)
        rest = "programs in it are used, new ones are not kept" if is_readable else "it stays off"
        warnings.warn(f"the compilation cache in {own}: {problem}; {rest}.", stacklevel=2)
        if not is_readable:
            return None
        jax.config.update(_MIN_SECONDS, float("inf"))  # or JAX would try, and warn, each time
    jax.config.update("jax_compilation_cache_dir", str(own))
    return own


def _user_folder() -> Path:
    """Returns the folder of `pax` where the system wants caches of the user to be."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or ""
        # the standard says to ignore a relative one
        base = base if os.path.isabs(base) else Path.home() / ".cache"
    return Path(base) / "pax"


def _cpu() -> str:
    """Returns a name for this kind of CPU.

    A program for the CPU uses the instructions that the CPU has; on one that lacks them, JAX
    loads it all the same, and the process dies.
    """
    found = [platform.system(), platform.machine()]
    try:
        if sys.platform == "linux":
            text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
            first, *_ = text.partition("\n\n")  # the other cores are alike
            fields = (line.partition(":") for line in first.splitlines())
            found += [value.strip() for name, _, value in fields if name.strip() in _CPU_FIELDS]
        elif sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            found.append(subprocess.run(command, capture_output=True, text=True).stdout.strip())
        else:
            found.append(platform.processor())
    except OSError:
        pass  # the machine's architecture has to do
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


def _why_not_writable(folder: Path) -> str | None:
    """Returns why nothing can be written into a folder; None if it can, and it is there then."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.write_bytes(b"\0")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return error.strerror or str(error)
    return None if free >= _MIN_FREE_BYTES else f"{free / 1e6:.0f} MB are free on the disk"


def _trim(root: Path) -> None:
    """Removes what was not used for longest, until the rest is small enough.

    Another process may do the same now, or read or write an entry; what is gone is gone.
    """
    entries = []
    for file in root.rglob("*-cache"):
        try:
            found = file.stat()
        except OSError:
            continue
        entries.append((max(found.st_atime, found.st_mtime), found.st_size, file))
    total = sum(size for _, size, _ in entries)
    for _, size, file in sorted(entries):
        if total <= _MAX_BYTES:
            return
        try:
            file.unlink(missing_ok=True)
        except OSError:  # on Windows, a file that is being read
            continue
        total -= size
