"""Any order, any parts, any devices, compiled or not: the metric of the whole set."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import pax
from pax import metrics
from pax.metrics import sums
from tests.contracts.case import paths
from tests.metrics.samples import SAMPLES, over_some
from tests.optimization import optimization

N, SIZE = 37, 8


def examples(name: str) -> tuple[Any, ...]:
    return SAMPLES[name].draw(np.random.default_rng(3), N)


def whole(name: str) -> np.ndarray:
    """The metric of all examples, by its definition."""
    return SAMPLES[name].reference(*examples(name), np.ones(N))


def padded(name: str) -> tuple[list[Any], Any]:
    """Returns the examples in five batches of eight, and what is there of the last one."""
    extra = -N % SIZE
    batches = [
        np.concatenate([x, x[:extra] * 0 + x[:1]]).reshape(-1, SIZE, *x.shape[1:])
        for x in examples(name)
    ]
    return batches, (np.arange(N + extra) < N).reshape(-1, SIZE)


@over_some
def test_uneven_batches_in_any_order(name: str) -> None:
    make = SAMPLES[name].make
    cuts = [0, 9, 9, 30, N]
    parts = [
        make().update(*(x[start:end] for x in examples(name)))
        for start, end in itertools.pairwise(cuts)
    ]
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        metric = make()
        for i in order:
            metric = metric.merge(parts[i])
        np.testing.assert_allclose(metric.compute(), whole(name), rtol=1e-5)


@over_some
def test_scan_over_a_padded_set(name: str) -> None:
    batches, mask = padded(name)
    traces = 0

    def body(metric: Any, batch: Any) -> Any:
        nonlocal traces
        traces += 1
        *arrays, weights = batch
        return metric.update(*arrays, weights=weights), None

    run = jax.jit(lambda metric, xs: jax.lax.scan(body, metric, xs)[0])
    metric = SAMPLES[name].make()
    found = run(metric, (*batches, mask))
    run(found, (*batches, mask))
    assert traces == 1
    np.testing.assert_allclose(found.compute(), whole(name), rtol=1e-5)


@over_some
def test_a_compiled_update_is_traced_once(name: str) -> None:
    batches, mask = padded(name)
    traces = 0

    @jax.jit
    def step(metric: Any, weights: Any, *arrays: Any) -> Any:
        nonlocal traces
        traces += 1
        return metric.update(*arrays, weights=weights)

    metric = SAMPLES[name].make()
    for weights, *arrays in zip(mask, *batches, strict=True):
        metric = step(metric, weights, *arrays)
    assert traces == 1
    np.testing.assert_allclose(jax.jit(lambda m: m.compute())(metric), whole(name), rtol=1e-5)


@over_some
def test_a_stack_of_metrics_is_merged(name: str) -> None:
    batches, mask = padded(name)
    empty = SAMPLES[name].make()
    stack = jax.jit(jax.vmap(lambda w, *xs: empty.update(*xs, weights=w)))(mask, *batches)
    np.testing.assert_allclose(stack.merge_all().compute(), whole(name), rtol=1e-5)
    none = jax.tree.map(lambda x: x[:0], stack).merge_all()
    np.testing.assert_array_equal(none.compute(), empty.compute())


@over_some
def test_all_reduce_over_eight_devices(name: str) -> None:
    mesh = Mesh(np.array(jax.devices()), ("data",))
    everywhere, parted = PartitionSpec(), PartitionSpec("data")
    extra = -N % 8
    arrays = [np.concatenate([x, x[:extra]]) for x in examples(name)]
    mask = np.arange(N + extra) < N
    empty = SAMPLES[name].make()
    before = empty.update(*arrays, weights=mask)

    def update(total: Any, weights: Any, *arrays: Any) -> Any:
        return total.merge(empty.update(*arrays, weights=weights).all_reduce("data"))

    run = jax.shard_map(
        update,
        mesh=mesh,
        in_specs=(everywhere, parted, *(parted for _ in arrays)),
        out_specs=everywhere,  # JAX checks that each device has the same
    )
    found = jax.jit(run)(before, mask, *arrays)
    twice = before.merge(before).compute()
    np.testing.assert_allclose(found.compute(), twice, rtol=1e-5)
    weight = {"R2Score": "weight", "Accuracy": "weight"}.get(name)
    if weight:
        assert sums.value(getattr(found, weight)) == 2 * N


@over_some
def test_a_metric_is_a_tree_of_sums(name: str) -> None:
    empty = SAMPLES[name].make()
    metric = empty.update(*examples(name))
    assert all(path.endswith((".high", ".low")) for path in paths(metric))
    assert not jax.tree.leaves(metric.parameters())
    for copied in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        np.testing.assert_array_equal(copied.compute(), metric.compute())
        assert jax.tree.structure(copied) == jax.tree.structure(metric)
    assert not any(np.any(x) for x in jax.tree.leaves(empty))  # it did not change
    assert not jax.tree.leaves(jax.tree.map(lambda x: None, empty))


@pytest.mark.parametrize("optimized", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_counts_go_on_beyond_the_digits_of_float32(optimized: bool) -> None:
    at = 2**24  # the next whole number that a float32 has is two more
    huge = sums.of_counts(jnp.array(at))
    metric = metrics.Accuracy().replace(total=huge, weight=copy.deepcopy(huge))
    with optimization(optimized):
        one = jax.jit(lambda m, x, y: m.update(x, y))
        for _ in range(5):
            metric = one(metric, jnp.array([1, 0]), jnp.array([1, 1]))
        merged = metric.merge(copy.deepcopy(metric))
    for m, right, all_of_them in ((metric, at + 5, at + 10), (merged, 2 * at + 10, 2 * at + 20)):
        assert float(m.total.high) + float(m.total.low) == right
        assert float(m.weight.high) + float(m.weight.low) == all_of_them


def test_counts_of_integers_are_exact() -> None:
    numbers = np.array([0, 1, 65535, 65536, 2**24 + 1, 2**31 - 1])
    found = sums.of_counts(jnp.asarray(numbers, jnp.int32))
    assert (np.float64(found.high) + np.float64(found.low) == numbers).all()
    for n in (3, 2**24 + 1):
        weight = sums.weight_of((n,), None)
        assert float(weight.high) + float(weight.low) == n


def test_a_million_small_numbers_keep_their_digits() -> None:
    values = np.random.default_rng(0).random((1000, 1000)).astype(np.float32)
    body = lambda metric, x: (metric.update(x), None)  # noqa: E731
    with optimization(True):
        found = jax.jit(lambda m, xs: jax.lax.scan(body, m, xs)[0])(metrics.Mean(), values)
    np.testing.assert_allclose(found.compute(), values.astype(np.float64).mean(), rtol=1e-7)


@pytest.mark.slow
def test_metrics_of_a_dict_are_merged_one_by_one() -> None:
    """No collection is needed: a dict of metrics is a tree of modules."""
    logits, labels = SAMPLES["Accuracy"].draw(np.random.default_rng(0), N)

    def update(all_of_them: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
        return {name: metric.update(x, y) for name, metric in all_of_them.items()}

    empty = {"accuracy": metrics.Accuracy(), "perplexity": metrics.Perplexity()}
    a, b = (jax.jit(update)(empty, logits[i], labels[i]) for i in (slice(9), slice(9, N)))
    merged = {name: a[name].merge(b[name]) for name in a}
    for name, metric in update(empty, logits, labels).items():
        np.testing.assert_allclose(merged[name].compute(), metric.compute(), rtol=1e-6)


def test_metrics_that_do_not_fit() -> None:
    with pytest.raises(pax.StructureError) as error:
        metrics.TopKAccuracy(2).merge(metrics.TopKAccuracy(3))
    assert str(error.value) == (
        "TopKAccuracy(k=2) cannot take in TopKAccuracy(k=3); expected a metric of the same class "
        "and arguments.\n"
        "  fix: make both from one empty metric, and merge metrics of a dict one by one."
    )
