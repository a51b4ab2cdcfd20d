"""How long `import pax` takes after `import jax`, in milliseconds, each in a new process.

Run it from the root of the project:

    python benchmarks/import_time.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

_CODE = """
import time
a = time.perf_counter()
import jax
b = time.perf_counter()
import pax
c = time.perf_counter()
print(b - a, c - b)
"""


def measure(rounds: int) -> None:
    subprocess.run([sys.executable, "-c", _CODE], check=True, capture_output=True)  # warms files
    times = []
    for _ in range(rounds):
        out = subprocess.run(
            [sys.executable, "-c", _CODE], check=True, capture_output=True, text=True
        ).stdout
        times.append([1e3 * float(t) for t in out.split()])
    for i, name in enumerate(["import jax", "import pax after it"]):
        column = [row[i] for row in times]
        print(f"{name:20s} median {statistics.median(column):6.0f} ms, best {min(column):6.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    measure(parser.parse_args().rounds)
