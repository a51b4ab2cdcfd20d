"""A contender's process, seen from the runner: it gives a measurement, or a reason."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import IO

from benchmarks.case import Figures, Program, Run

#: Seconds after which a measurement has failed; nothing here takes a tenth of it.
LIMIT = 1_800.0


class Problem(Exception):
    """No figures; the message says why: "failed: ..." or "absent: ..."."""


@contextlib.contextmanager
def process(
    case: str, program: Program, contender: str, cache: str = ""
) -> Iterator[Callable[[], Figures]]:
    """Starts a process for one contender, and gives what asks it for a measurement.

    Args:
        case: name of the case.
        cache: folder of compiled programs; "" for none.
    """
    run = Run(contender, dict(program.sizes), time.monotonic(), cache)
    command = [sys.executable, "-m", "benchmarks.worker", case, json.dumps(asdict(run))]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=errors,
            text=True,
            env=_environment() | dict(program.environment),
        ) as child,
    ):
        try:
            yield functools.partial(_measure, child, errors)
        except BaseException:
            child.kill()
            raise


def _environment() -> dict[str, str]:
    """Returns the user's environment without settings of JAX: the CPU as one device."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    return kept | {"JAX_PLATFORMS": "cpu"}


def _measure(child: subprocess.Popen[str], errors: IO[str]) -> Figures:
    """Returns one measurement, waiting for it; raises `Problem` where there is none."""
    assert child.stdin is not None and child.stdout is not None
    timer = threading.Timer(LIMIT, child.kill)
    timer.start()
    with contextlib.suppress(BrokenPipeError):  # it may have ended, and have said why
        child.stdin.write("\n")
        child.stdin.flush()
    answer = child.stdout.readline()
    timer.cancel()
    if not answer:
        raise Problem(f"failed: {_last_line(errors) or f'exit code {child.wait()}'}")
    figures = json.loads(answer)
    if "problem" in figures:
        raise Problem(figures["problem"])
    return figures


def _last_line(errors: IO[str]) -> str:
    errors.seek(0)
    return next((line for line in reversed(errors.read().splitlines()) if line.strip()), "")
