"""Memory that stays with the process, for steps on the CPU."""

from __future__ import annotations

import ctypes
import sys

#: Parameters of glibc's `mallopt`, from `man mallopt`: number, value.
_KEEP = (
    (-8, 1),  # M_ARENA_MAX: one heap for all threads, so that any of them finds what was freed
    (-3, 2**30),  # M_MMAP_THRESHOLD: less than 1 GB comes from the heap, which is kept
    (-1, 2**31 - 1),  # M_TRIM_THRESHOLD: what is free at its end is kept up to 2 GB
)


def keep_host_memory() -> bool:
    """Tells the C library to keep freed memory for the next step, on Linux.

    A compiled step asks for its temporary memory anew at each call. Above 32 MB the GNU C library
    takes it from the system every time, which fills each page with zeros: up to a third of the
    time of a training step on the CPU. After this call such memory is used again; in return the
    process never gives back what it once had, up to 2 GB. It holds for the whole process, all
    libraries in it too. Call it at the start of a script that trains on the CPU. On other systems
    it does nothing.

    Returns:
        Whether the C library took it.
    Example:
        >>> def main():
        ...     pax.keep_host_memory()
        ...     return pax.Linear(2, 3)(jnp.ones((4, 2)))
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and all([mallopt(*setting) == 1 for setting in _KEEP])
