"""The targets: each row of the table, what was measured for it, and whether it is met."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.results import Results, Spread

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


def at_most(
    row: str, limit: float, figure: Spread | float | None, unit: str = "x", note: str = ""
) -> Verdict:
    """Returns the verdict on a figure, or the median of one, that shall be no more than a limit."""
    target = f"at most {limit:,.4g}{unit}"
    if figure is None:
        return Verdict(row, target, "-", None)
    if isinstance(figure, Spread):
        value, note = figure.median, f" ({figure.least:,.3g}..{figure.most:,.3g}){note}"
    else:
        value = figure
    return Verdict(row, target, f"{value:,.3g}{unit}{note}", value <= limit)


def against(
    results: Results, row: str, limit: float, case: str, program: str, metric: str, other: str
) -> Verdict:
    """Returns the verdict on pax over another contender, round by round."""
    return at_most(row, limit, results.ratio(case, program, "pax", metric, other))


def against_fastest(
    results: Results, row: str, limit: float, case: str, program: str, metric: str, *more: str
) -> Verdict:
    """Returns the verdict on pax over the fastest peer, which may run other programs, too."""
    ours = median(results, case, program, metric)
    peers = [
        (figure, peer)
        for name in (program, *more)
        for peer in PEERS
        if (figure := median(results, case, name, metric, peer)) is not None
    ]
    if ours is None or not peers:
        return at_most(row, limit, None)
    fastest, peer = min(peers)
    return at_most(row, limit, ours / fastest, note=f" ({peer})")


def median(
    results: Results, case: str, program: str, metric: str, contender: str = "pax"
) -> float | None:
    """Returns the median of a figure."""
    spread = results.spread(case, program, contender, metric)
    return spread and spread.median


def over(a: float | None, b: float | None) -> float | None:
    """Returns the quotient; None where either is missing."""
    return None if a is None or b is None else a / b


def dispatch(results: Results) -> Iterator[Verdict]:
    limits = {"jax": ("a nested dict", 1.10), "equinox": ("equinox", 1.0), "nnx": ("nnx", 1.0)}
    for program in ("100 layers", "300 layers"):
        for metric, call in (("forward us", "forward"), ("step us", "training step")):
            for other, (name, limit) in limits.items():
                row = f"warm call, {program}, {call}, against {name}"
                yield against(results, row, limit, "dispatch", program, metric, other)


def flat_state(results: Results) -> Iterator[Verdict]:
    for program in ("100 layers, flat", "300 layers, flat"):
        row = f"training state, {program}, against a list of the same arrays"
        yield against(results, row, 1.05, "dispatch", program, "step us", "jax")


def identity(results: Results) -> Iterator[Verdict]:
    ours, bare = (median(results, "dispatch", "identity", "forward us", c) for c in ("pax", "jax"))
    extra = None if ours is None or bare is None else ours - bare
    yield at_most("identity model, beyond jax.jit", 5.0, extra, " us")


def construction(results: Results) -> Iterator[Verdict]:
    for model in ("resnet50", "transformer"):
        row = f"construction of {model}, against the fastest peer"
        yield against_fastest(results, row, 0.2, "construction", model, "s")
        count = median(results, "construction", model, "compilations")
        yield at_most(f"construction of {model}, compilations", 25, count, "")


def abstract_construction(results: Results) -> Iterator[Verdict]:
    for metric, limit, unit in (("s", 0.5, " s"), ("array bytes", 0, " bytes")):
        figure = results.spread("construction", "abstract, 1 B parameters", "pax", metric)
        yield at_most(f"abstract construction, 1 B parameters, {metric}", limit, figure, unit)


def cold_start(results: Results) -> Iterator[Verdict]:
    metric = "cold total s"
    row = "cold start, transformer of stacked layers, against the fastest peer"
    stacked = "transformer_stacked"
    yield against_fastest(results, row, 0.6, "start", stacked, metric, "transformer")
    row = "cold start, resnet, against the fastest peer"
    yield against_fastest(results, row, 0.9, "start", "resnet", metric)


def warm_start(results: Results) -> Iterator[Verdict]:
    for model in ("resnet", "resnet50", "transformer"):
        row = f"second start, {model}, against torch"
        yield against(results, row, 1.5, "start", model, "warm total s", "torch")
    ours = median(results, "start", "transformer_stacked", "warm total s")
    torch = median(results, "start", "transformer", "warm total s", "torch")
    row = "second start, transformer of stacked layers, against torch"
    yield at_most(row, 1.5, over(ours, torch))


def depth(results: Results) -> Iterator[Verdict]:
    for metric in ("program bytes", "compile s"):
        shallow, deep = (
            median(results, "depth", f"{layers} layers, stacked", metric) for layers in (4, 96)
        )
        yield at_most(f"depth 96 against 4, stacked, {metric}", 1.2, over(deep, shallow))


def steady_step(results: Results) -> Iterator[Verdict]:
    for model in STEADY:
        row = f"steady step, {model}, against "
        yield against(results, row + "hand-written JAX", 1.02, "step", model, "step ms", "jax")
        yield against_fastest(results, row + "the fastest peer", 1.0, "step", model, "step ms")


def recurrence(results: Results) -> Iterator[Verdict]:
    for cell in ("lstm", "gru"):
        ours, stepped = (
            median(results, "step", program, "step ms") for program in (cell, f"{cell}_cell")
        )
        row = f"steady step, {cell}, against stepping the cell in a scan"
        yield at_most(row, 1 / 1.5, over(ours, stepped))


def against_torch(results: Results) -> Iterator[Verdict]:
    for model in ("transformer", "resnet"):
        for program in (model, f"{model}, memory kept"):
            row = f"steady step, {program}, against torch"
            yield against(results, row, 1.4, "step", program, "step ms", "torch")


def memory(results: Results) -> Iterator[Verdict]:
    for model in STEADY:
        row = f"temporary bytes, {model}, against hand-written JAX"
        yield against(results, row, 1.01, "memory", model, "temporary bytes", "jax")


def attention(results: Results) -> Iterator[Verdict]:
    short, long = (
        median(results, "attention", f"{length} positions", "temporary bytes")
        for length in (4_096, 16_384)
    )
    row = "attention, bytes at 16,384 positions against 4,096"
    yield at_most(row, 4.2, over(long, short))
    row = "attention, time at 1,024 positions against the quadratic path"
    yield against(results, row, 1.0, "attention", "1024 positions", "step ms", "jax")


def decoding(results: Results) -> Iterator[Verdict]:
    for batch in (1, 8):
        for name in ("", ", stacked"):
            row = f"decoding, batch {batch}{name}, against torch"
            program = f"batch {batch}{name}"
            yield against(results, row, 1.0, "decoding", program, "token ms", "torch")


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
    decoding,
)
