"""The arithmetic of ratios, on figures made up by hand."""

from __future__ import annotations

import json

from benchmarks.results import Outcome, Results, Spread


def made_up() -> Results:
    row = {
        "jax": Outcome([{"step ms": 2.0}, {"step ms": 4.0}, {"step ms": 8.0}]),
        "pax": Outcome([{"step ms": 3.0}, {"step ms": 4.0}, {"step ms": 4.0}]),
        "nnx": Outcome([{"step ms": 5.0}], "failed: KeyError: 'weight'"),
    }
    return Results({"step": {"cnn": row}})


def test_spread_is_the_median_with_its_range() -> None:
    assert made_up().spread("step", "cnn", "pax", "step ms") == Spread(4.0, 3.0, 4.0)


def test_a_ratio_pairs_the_rounds() -> None:
    """The ratio of the medians is 1; the rounds give 1.5, 1 and 0.5."""
    assert made_up().ratio("step", "cnn", "pax", "step ms", "jax") == Spread(1.0, 0.5, 1.5)


def test_what_failed_has_no_figures() -> None:
    results = made_up()
    assert results.spread("step", "cnn", "nnx", "step ms") is None
    assert results.ratio("step", "cnn", "nnx", "step ms", "jax") is None
    assert results.ratio("step", "cnn", "pax", "step ms", "nnx") is None


def test_what_was_not_measured_has_no_figures() -> None:
    results = made_up()
    assert results.spread("step", "gru", "pax", "step ms") is None
    assert results.spread("step", "cnn", "pax", "bytes") is None


def test_nothing_is_divided_by_zero() -> None:
    empty = Outcome([{"bytes": 0.0}])
    results = Results({"memory": {"cnn": {"jax": empty, "pax": empty}}})
    assert results.ratio("memory", "cnn", "pax", "bytes", "jax") is None


def test_json_keeps_every_round() -> None:
    results = made_up()
    assert Results.from_json(json.loads(json.dumps(results.to_json()))) == results
