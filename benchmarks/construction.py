"""Seconds and compilations to draw the first weights of two models.

Each measurement runs in a process of its own with nothing compiled before; the two ways take
turns, and the median counts. Run it from the root of the project:

    python benchmarks/construction.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

#: One array to make: the name of its initializer, then its shape.
Array = tuple[str, tuple[int, ...]]


def resnet50() -> Iterator[Array]:
    def convolution(kernel: int, inputs: int, outputs: int) -> Iterator[Array]:
        yield "weight", (kernel, kernel, inputs, outputs)
        yield from [("ones", (outputs,)), ("zeros", (outputs,))]
        yield from [("zeros", (outputs,)), ("ones", (outputs,))]

    yield from convolution(7, 3, 64)
    inputs = 64
    for num_blocks, width in [(3, 64), (4, 128), (6, 256), (3, 512)]:
        yield from convolution(1, inputs, 4 * width)
        for _ in range(num_blocks):
            yield from convolution(1, inputs, width)
            yield from convolution(3, width, width)
            yield from convolution(1, width, 4 * width)
            inputs = 4 * width
    yield from [("weight", (2048, 1000)), ("zeros", (1000,))]


def transformer() -> Iterator[Array]:
    def dense(inputs: int, outputs: int) -> list[Array]:
        return [("weight", (inputs, outputs)), ("zeros", (outputs,))]

    for _ in range(12):
        for inputs, outputs in [(512, 512)] * 4 + [(512, 2048), (2048, 512)]:
            yield from dense(inputs, outputs)
        yield from [("ones", (512,)), ("zeros", (512,))] * 2


MODELS = {"ResNet-50": resnet50, "Transformer, 12 layers of width 512": transformer}
WAYS = ("pax", "jax")


def measure(way: str, model: str) -> None:
    """Prints the seconds and compilations of one construction in this process."""
    import jax
    import jax.monitoring

    import pax
    import pax.initializers

    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: (
            compiled.append(event)
            if event == "/jax/core/compile/backend_compile_duration"
            else None
        )
    )
    library = pax.initializers if way == "pax" else jax.nn.initializers
    initializers = {
        "weight": library.lecun_normal(),
        "zeros": library.zeros,
        "ones": library.ones,
    }
    jax.devices()
    start, cpu_start = time.perf_counter(), time.process_time()
    arrays = [initializers[name](pax.next_rng_key(), shape) for name, shape in MODELS[model]()]
    jax.block_until_ready(arrays)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    print(seconds, cpu_seconds, len(compiled), sum(array.size for array in arrays))


def compare(model: str, rounds: int) -> None:
    """Prints the medians of both ways for one model, in seconds of the clock and of the CPU."""
    runs: dict[str, list[list[str]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--model", model]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            runs[way].append(run.stdout.split())

    def median(way: str, column: int) -> float:
        return statistics.median(float(run[column]) for run in runs[way])

    print(f"{model}: {median('pax', 3) / 1e6:.1f} M numbers")
    for way in WAYS:
        print(
            f"  {way:>3}.initializers: {median(way, 0):6.2f} s, CPU {median(way, 1):6.2f} s, "
            f"{median(way, 2):3.0f} compilations"
        )
    clock, cpu = (median("pax", column) / median("jax", column) for column in (0, 1))
    print(f"  ratio: {clock:.3f}, CPU {cpu:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--model", choices=MODELS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        measure(options.way, options.model)
    else:
        for name in MODELS:
            compare(name, options.rounds)
