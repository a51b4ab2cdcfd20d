"""The targets: each row of the table, what was measured for it, and whether it is met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.results import Results

#: The JAX libraries that people would use instead.
PEERS = ("equinox", "nnx", "haiku")

STEADY = ("cnn", "resnet", "transformer", "lstm", "gru")


@dataclass(frozen=True)
class Verdict:
    """One row of the table; `met` is None where the figures for it are missing."""

    row: str
    target: str
    measured: str
    met: bool | None

    @property
    def word(self) -> str:
        return {True: "met", False: "lost", None: "not measured"}[self.met]


def verdicts(results: Results) -> list[Verdict]:
    """Returns all rows, in the order of the table, for what was measured."""
    return [verdict for row in ROWS for verdict in row(results)]


def at_most(row: str, limit: float, value: float | None, unit: str = "x") -> Verdict:
    """Returns the verdict on a figure that shall be no more than a limit."""
    measured = "-" if value is None else f"{value:,.3g}{unit}"
    return Verdict(
        row, f"at most {limit:,g}{unit}", measured, None if value is None else value <= limit
    )


def ratio(
    results: Results, case: str, program: str, metric: str, other: str = "jax"
) -> float | None:
    """Returns the median of pax over another contender, round by round."""
    spread = results.ratio(case, program, "pax", metric, other)
    return spread and spread.median


def median(
    results: Results, case: str, program: str, metric: str, who: str = "pax"
) -> float | None:
    """Returns the median of a figure."""
    spread = results.spread(case, program, who, metric)
    return spread and spread.median


def against_fastest(
    results: Results, case: str, program: str, metric: str, theirs: Iterable[str] | None = None
) -> float | None:
    """Returns the median of pax over the least median of the peers, for any of their programs."""
    ours = median(results, case, program, metric)
    peers = [
        figure
        for name in theirs or (program,)
        for peer in PEERS
        if (figure := median(results, case, name, metric, peer)) is not None
    ]
    return ours / min(peers) if peers and ours is not None else None


def dispatch(results: Results) -> Iterator[Verdict]:
    for depth in ("100 layers", "300 layers"):
        for metric, name in (("forward us", "forward"), ("step us", "training step")):
            value = ratio(results, "dispatch", depth, metric)
            yield at_most(f"warm call, {depth}, {name}, against a nested dict", 1.10, value)
            for peer in ("equinox", "nnx"):
                value = ratio(results, "dispatch", depth, metric, peer)
                yield at_most(f"warm call, {depth}, {name}, against {peer}", 1.0, value)


def flat_state(results: Results) -> Iterator[Verdict]:
    for depth in ("100 layers, flat", "300 layers, flat"):
        value = ratio(results, "dispatch", depth, "step us")
        yield at_most(f"training state, {depth}, against a flat list", 1.05, value)


def identity(results: Results) -> Iterator[Verdict]:
    ours, bare = (median(results, "dispatch", "identity", "forward us", c) for c in ("pax", "jax"))
    extra = None if ours is None or bare is None else ours - bare
    yield at_most("identity model, beyond jax.jit", 5.0, extra, " us")


def construction(results: Results) -> Iterator[Verdict]:
    for model in ("resnet50", "transformer"):
        value = against_fastest(results, "construction", model, "s")
        yield at_most(f"construction of {model}, against the fastest peer", 0.2, value)
        count = median(results, "construction", model, "compilations")
        yield at_most(f"construction of {model}, compilations", 25, count, "")


def abstract_construction(results: Results) -> Iterator[Verdict]:
    seconds, size = (
        median(results, "construction", "abstract, 1 B parameters", metric)
        for metric in ("s", "array bytes")
    )
    yield at_most("abstract construction, 1 B parameters", 0.5, seconds, " s")
    yield at_most("abstract construction, array bytes", 0, size, "")


def cold_start(results: Results) -> Iterator[Verdict]:
    peers = ("transformer", "transformer_stacked")
    value = against_fastest(results, "start", "transformer_stacked", "cold total s", peers)
    yield at_most("cold start, transformer of stacked layers, against the fastest peer", 0.6, value)
    value = against_fastest(results, "start", "resnet", "cold total s")
    yield at_most("cold start, resnet, against the fastest peer", 0.9, value)


def warm_start(results: Results) -> Iterator[Verdict]:
    for model in ("resnet", "resnet50", "transformer"):
        value = ratio(results, "start", model, "warm total s", "torch")
        yield at_most(f"second start, {model}, against torch", 1.5, value)
    ours = median(results, "start", "transformer_stacked", "warm total s")
    torch = median(results, "start", "transformer", "warm total s", "torch")
    value = None if ours is None or torch is None else ours / torch
    yield at_most("second start, transformer of stacked layers, against torch", 1.5, value)


def depth(results: Results) -> Iterator[Verdict]:
    for metric in ("program bytes", "compile s"):
        shallow, deep = (
            median(results, "depth", f"{layers} layers, stacked", metric) for layers in (4, 96)
        )
        value = None if shallow is None or deep is None else deep / shallow
        yield at_most(f"depth 96 against 4, stacked, {metric.split()[0]}", 1.2, value)


def steady_step(results: Results) -> Iterator[Verdict]:
    for model in STEADY:
        value = ratio(results, "step", model, "step ms")
        yield at_most(f"steady step, {model}, against hand-written JAX", 1.02, value)
        value = against_fastest(results, "step", model, "step ms")
        yield at_most(f"steady step, {model}, against the fastest peer", 1.0, value)


def recurrence(results: Results) -> Iterator[Verdict]:
    for cell in ("lstm", "gru"):
        ours, stepped = (
            median(results, "step", program, "step ms") for program in (cell, f"{cell}_cell")
        )
        value = None if ours is None or stepped is None else ours / stepped
        yield at_most(f"steady step, {cell}, against stepping the cell in a scan", 1 / 1.5, value)


def against_torch(results: Results) -> Iterator[Verdict]:
    for model in ("transformer", "resnet"):
        value = ratio(results, "step", model, "step ms", "torch")
        yield at_most(f"steady step, {model}, against torch", 1.4, value)


def memory(results: Results) -> Iterator[Verdict]:
    for model in STEADY:
        value = ratio(results, "memory", model, "temporary bytes")
        yield at_most(f"temporary bytes, {model}, against hand-written JAX", 1.01, value)


def attention(results: Results) -> Iterator[Verdict]:
    short, long = (
        median(results, "attention", f"{length} positions", "temporary bytes")
        for length in (4_096, 16_384)
    )
    value = None if short is None or long is None else long / short
    yield at_most("attention, bytes at 16,384 positions against 4,096", 4.2, value)
    value = ratio(results, "attention", "1024 positions", "step ms")
    yield at_most("attention, time at 1,024 positions against the quadratic path", 1.0, value)


ROWS: tuple[Callable[[Results], Iterator[Verdict]], ...] = (
    dispatch,
    flat_state,
    identity,
    construction,
    abstract_construction,
    cold_start,
    depth,
    steady_step,
    recurrence,
    against_torch,
    warm_start,
    memory,
    attention,
)
