"""Runs the cases, prints tables of ratios and the table of targets, writes JSON and a plot."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.cases import CASES, load
from benchmarks.machine import describe
from benchmarks.plot import draw
from benchmarks.results import Results
from benchmarks.rounds import run_program
from benchmarks.tables import case_tables, target_table
from benchmarks.targets import verdicts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one or two rounds")
    parser.add_argument(
        "--only",
        action="append",
        choices=CASES,
        help="this case; repeatable; the file keeps the figures of others",
    )
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), metavar="FILE")
    options = parser.parse_args()
    console, machine = Console(), describe()
    results = earlier(options.json, options.quick, machine) if options.only else Results()
    for name in options.only or CASES:
        case = load(name)
        rows = results.outcomes[name] = {}
        with console.status(name) as status:
            for program in case.programs(options.quick):
                rounds = case.rounds[options.quick]
                rows[program.name] = run_program(name, case, program, rounds, status.update)
        figures = {"quick": options.quick, "machine": machine, "cases": results.to_json()}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")  # what is done is kept
        console.print(f"\n[bold]{name}[/]: {case.title}")
        for table in case_tables(name, case, results):
            console.print(table)
    picture = options.json.with_suffix(".png")
    draw(results, picture)
    console.print(target_table(verdicts(results), options.quick))
    console.print(f"figures: {options.json}, picture: {picture}")


def earlier(file: Path, quick: bool, machine: dict[str, Any]) -> Results:
    """Returns what is in the file, if it was measured so, with the same versions."""
    if not file.exists():
        return Results()
    found = json.loads(file.read_text())
    is_alike = (found["quick"], found["machine"]) == (quick, machine)
    return Results.from_json(found["cases"]) if is_alike else Results()


if __name__ == "__main__":
    main()
