"""One picture of all ratios: two panels a case, a mark a contender, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.case import Case
from benchmarks.cases import load
from benchmarks.contenders import CONTENDERS
from benchmarks.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Distinct to the colour-blind, too; pax is drawn last and as a diamond.
_COLOURS = {
    "jax": "0.35",
    "pax": "#d55e00",
    "equinox": "#0072b2",
    "nnx": "#e69f00",
    "haiku": "#009e73",
    "torch": "#cc79a7",
}


def draw(results: Results, path: Path) -> None:
    """Writes the picture: ratios to the yardstick, with a line from the least to the greatest."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    heights = [len(programs) + 1 for programs in results.outcomes.values()]
    figure, axes = plt.subplots(
        len(heights),
        2,
        squeeze=False,
        figsize=(13, 0.3 * sum(heights) + 0.5 * len(heights) + 0.8),
        height_ratios=heights,
        layout="constrained",
    )
    for (name, programs), row in zip(results.outcomes.items(), axes, strict=True):
        case = load(name)
        metrics = _two_metrics(case)
        for ax, metric in zip(row, metrics, strict=False):
            _panel(ax, results, name, case, list(programs), metric)
        for ax in row[len(metrics) :]:
            ax.set_visible(False)
        if len(metrics) == 2:
            row[1].tick_params(labelleft=False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(CONTENDERS))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _two_metrics(case: Case) -> list[str]:
    """Returns the first metric of each start, or else the first two."""
    if len(case.starts) > 1:
        return [f"{start} {case.metrics[0]}" for start in case.starts]
    return list(case.metrics[:2])


def _panel(
    ax: Axes, results: Results, name: str, case: Case, programs: Sequence[str], metric: str
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for contender in CONTENDERS:
        points = [
            (row, spread)
            for row, program in enumerate(programs)
            if (spread := results.ratio(name, program, contender, metric, case.yardstick))
        ]
        ours = contender == "pax"
        ax.errorbar(
            [spread.median for _, spread in points],
            [row for row, _ in points],
            xerr=[
                [spread.median - spread.least for _, spread in points],
                [spread.most - spread.median for _, spread in points],
            ],
            fmt="D" if ours else "o",
            markersize=7 if ours else 5,
            zorder=3 if ours else 2,
            color=_COLOURS[contender],
            label=contender,
        )
    ax.axvline(1.0, color="0.6", linewidth=1, zorder=1)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}x"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="x", color="0.92")
    ax.set_yticks(range(len(programs)), programs)
    ax.set_ylim(len(programs) - 0.5, -0.5)
    ax.set_title(f"{name}: {metric}, {case.yardstick} = 1", loc="left", fontsize=10)
