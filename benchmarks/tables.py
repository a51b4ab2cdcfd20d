"""Tables of ratios: one for each metric of a case, and one for the targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from benchmarks.case import Case
from benchmarks.contenders import CONTENDERS
from benchmarks.results import Results, Spread
from benchmarks.targets import Verdict

_STYLES = {True: "green", False: "bold red", None: "dim"}


def case_tables(name: str, case: Case, results: Results) -> Iterator[Table]:
    """Yields a table of each metric: the yardstick's own figures, the others as ratios to it.

    A ratio is a median with the least and the greatest of the rounds under it.
    """
    rows = results.outcomes[name]
    seen = [c for c in CONTENDERS if any(c in row for row in rows.values())]
    for metric in (f"{start} {m}".strip() for start in case.starts or ("",) for m in case.metrics):
        table = Table(title=f"{name}: {metric}", title_justify="left")
        table.add_column("program")
        for contender in seen:
            table.add_column(contender, justify="right", max_width=16)
        for program, row in rows.items():
            cells = [
                cell(results, name, case, program, c, metric) if c in row else "" for c in seen
            ]
            table.add_row(program, *cells)
        yield table


def cell(results: Results, name: str, case: Case, program: str, contender: str, metric: str) -> str:
    """Returns a ratio to the yardstick, a figure where there is none, or what went wrong."""
    problem = results.outcomes[name][program][contender].problem
    if problem:
        return problem
    if contender != case.yardstick:
        ratio = results.ratio(name, program, contender, metric, case.yardstick)
        if ratio:
            return f"{ratio.median:.3g}x\n{ratio.least:.3g}..{ratio.most:.3g}"
    figure = results.spread(name, program, contender, metric)
    return _absolute(figure) if figure else "-"


def target_table(verdicts: Sequence[Verdict], quick: bool) -> Table:
    """Returns the table of targets; that of a quick run says that it is none."""
    table = Table(title="Targets")
    for column in ("row", "target", "measured", ""):
        table.add_column(column)
    for verdict in verdicts:
        table.add_row(
            verdict.row, verdict.target, verdict.measured, verdict.word, style=_STYLES[verdict.met]
        )
    if quick:
        table.caption = "Small sizes, one or two rounds: this shows that it runs, not how fast."
    return table


def _absolute(figure: Spread) -> str:
    if figure.least == figure.most:
        return f"{figure.median:,.5g}"
    return f"{figure.median:,.4g}\n{figure.least:,.4g}..{figure.most:,.4g}"
