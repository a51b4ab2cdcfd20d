"""One picture of all ratios: a panel a case, a mark a contender, on a logarithmic axis."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import load
from benchmarks.contenders import CONTENDERS
from benchmarks.results import Results

_COLOURS = dict(
    zip(CONTENDERS, ("0.55", "#d62728", "#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd"), strict=True)
)


def draw(results: Results, path: Path) -> None:
    """Writes the picture: the first metric of every program, over that of the yardstick."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    shown = {case: programs for case, programs in results.outcomes.items() if programs}
    heights = [1.0 + len(programs) for programs in shown.values()]
    figure, axes = plt.subplots(
        len(shown),
        squeeze=False,
        figsize=(9, 0.32 * sum(heights) + 0.6 * len(shown) + 0.6),
        height_ratios=heights,
        layout="constrained",
    )
    for (name, programs), ax in zip(shown.items(), axes[:, 0], strict=True):
        case = load(name)
        metric = f"{case.starts[0] if case.starts else ''} {case.metrics[0]}".strip()
        for contender in CONTENDERS:
            points = [
                (spread, row)
                for row, program in enumerate(programs)
                if (spread := results.ratio(name, program, contender, metric, case.yardstick))
            ]
            middles = [spread.median for spread, _ in points]
            ax.errorbar(
                middles,
                [row for _, row in points],
                xerr=[
                    [spread.median - spread.least for spread, _ in points],
                    [spread.most - spread.median for spread, _ in points],
                ],
                fmt="D" if contender == "pax" else "o",
                markersize=7 if contender == "pax" else 5,
                color=_COLOURS[contender],
                zorder=3 if contender == "pax" else 2,
                label=contender,
            )
        ax.axvline(1.0, color="0.7", linewidth=1, zorder=1)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}x"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_yticks(range(len(programs)), list(programs))
        ax.set_ylim(len(programs) - 0.5, -0.5)
        ax.grid(axis="x", color="0.9")
        ax.set_title(f"{name}: {metric}, {case.yardstick} = 1", loc="left", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(CONTENDERS))
    figure.savefig(path, dpi=120)
    plt.close(figure)
