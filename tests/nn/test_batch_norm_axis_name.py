"""Batch norm of a batch in parts: exact over named axes, and under jit without being told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import pax
from tests.contracts.case import assert_same, cast
from tests.nn.bad import Bad, each

PARTS = 8
EVERYWHERE, PARTED = PartitionSpec(), PartitionSpec("data")


def mesh() -> Mesh:
    """Returns all devices along one axis."""
    return Mesh(np.array(jax.devices()), ("data",))


def norm_of(axis_name: Any = None, **options: Any) -> Any:
    """Returns a layer with some scale and offset."""
    norm = pax.BatchNorm1D(3, axis_name=axis_name, **options)
    parameters = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 2.0]]).reshape(2, 1, 1, 3)
    return norm.replace(scale=jnp.array(parameters[0]), offset=jnp.array(parameters[1]))


def wide_norm_of(axis_name: Any = None) -> Any:
    """Returns such a layer with averages in float64 too."""
    return cast(norm_of(axis_name), np.float64)


def batches() -> tuple[np.ndarray, np.ndarray]:
    """Returns a batch whose parts have means of their own, and weights of its loss."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 5, 3)) + np.arange(16).reshape(16, 1, 1) - 3
    return x, rng.standard_normal((16, 5, 3))


def step(norm: Any, x: Any, weights: Any) -> Any:
    """Returns output, averages, and the gradients of a loss for scale, offset and x."""

    def loss(params: Any, x: Any) -> Any:
        after, y = pax.purecall(norm | params, x)
        return (y * weights).sum(), (y, after.ema_mean.averages, after.ema_var.averages)

    grads, out = jax.grad(loss, (0, 1), has_aux=True)(norm.parameters(), x)
    return out, (grads[0].scale, grads[0].offset), grads[1]


def under_vmap(norm: Any, x: Any, weights: Any) -> Any:
    """Does the step in parts that know each other by the name of a mapped axis."""
    parts = [v.reshape(PARTS, -1, *v.shape[1:]) for v in (x, weights)]
    run = jax.vmap(step, (None, 0, 0), ((0, None, None), 0, 0), axis_name="data")
    (y, *averages), of_norm, of_x = jax.jit(run)(norm, *parts)
    of_norm = jax.tree.map(lambda g: g.sum(0), of_norm)
    return (y.reshape(x.shape), *averages), of_norm, of_x.reshape(x.shape)


def under_shard_map(norm: Any, x: Any, weights: Any) -> Any:
    """Does the step on eight devices, each with its part."""
    specs = (PARTED, EVERYWHERE, EVERYWHERE), EVERYWHERE, PARTED
    run = jax.shard_map(step, mesh=mesh(), in_specs=(EVERYWHERE, PARTED, PARTED), out_specs=specs)
    return jax.jit(run)(norm, x, weights)


def under_pmap(norm: Any, x: Any, weights: Any) -> Any:
    """Does the step in the older way of mapping over devices."""
    parts = [v.reshape(PARTS, -1, *v.shape[1:]) for v in (x, weights)]
    run = jax.pmap(step, "data", in_axes=(None, 0, 0))
    (y, *averages), of_norm, of_x = jax.device_get(run(norm, *parts))
    for average in averages:
        np.testing.assert_array_equal(average, average[:1].repeat(PARTS, 0))
    of_norm = jax.tree.map(lambda g: g.sum(0), of_norm)
    return (y.reshape(x.shape), *(a[0] for a in averages)), of_norm, of_x.reshape(x.shape)


@pytest.mark.parametrize(
    "run", [under_vmap, under_shard_map, pytest.param(under_pmap, marks=pytest.mark.slow)]
)
def test_over_a_named_axis_it_is_the_whole_batch(run: Callable[..., Any]) -> None:
    with jax.enable_x64(True):
        x, weights = batches()
        expected = jax.jit(step)(wide_norm_of(), x, weights)
        assert_same(run(wide_norm_of("data"), x, weights), expected, 1e-10)


def test_parts_that_do_not_know_each_other_have_averages_of_their_own() -> None:
    x, _ = batches()
    parts = x.astype(np.float32).reshape(PARTS, 2, 5, 3)
    norms, _ = jax.jit(jax.vmap(pax.purecall, (None, 0)))(norm_of(), parts)
    means = parts.mean((1, 2)).reshape(norms.ema_mean.averages.shape)
    np.testing.assert_allclose(norms.ema_mean.averages, means, rtol=1e-5)
    assert np.ptp(means, axis=0).min() > 5


def test_under_jit_a_sharded_batch_is_one_batch() -> None:
    data = NamedSharding(mesh(), PARTED)

    @jax.jit
    def run(norm: Any, x: Any, weights: Any) -> Any:
        return step(norm, x, weights)

    with jax.enable_x64(True):
        x, weights = batches()
        expected = jax.jit(step)(wide_norm_of(), x, weights)
        norm = jax.device_put(wide_norm_of(), NamedSharding(mesh(), EVERYWHERE))
        found = run(norm, *jax.device_put((x, weights), data))
        assert len(found[2].addressable_shards[0].data) == 2  # two rows of sixteen a device
        assert_same(found, expected, 1e-10)


def test_over_several_named_axes() -> None:
    x = batches()[0].astype(np.float32)
    norm, expected = jax.jit(pax.purecall)(norm_of(), x)
    run = pax.purecall
    for name in ("b", "a"):
        run = jax.vmap(run, (None, 0), (None, 0), axis_name=name)
    after, y = jax.jit(run)(norm_of(["a", "b"]), x.reshape(4, 2, 2, 5, 3))
    np.testing.assert_allclose(y.reshape(x.shape), expected, atol=1e-5)
    np.testing.assert_allclose(after.ema_var.averages, norm.ema_var.averages, rtol=1e-5)


def test_a_large_mean_costs_no_digits() -> None:
    x = (batches()[0] + 1e4).astype(np.float32)
    run = jax.vmap(pax.purecall, (None, 0), (None, 0), axis_name="data")
    norm, y = jax.jit(run)(pax.BatchNorm1D(3, eps=1e-8, axis_name="data"), x.reshape(8, 2, 5, 3))
    exact = x.astype(np.float64)
    expected = (exact - exact.mean((0, 1))) / exact.std((0, 1))
    np.testing.assert_allclose(y.reshape(x.shape), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(norm.ema_var.averages.ravel(), exact.var((0, 1)), rtol=1e-5)


def test_the_unbiased_variance_counts_all_parts() -> None:
    x = batches()[0].astype(np.float32)
    norm = pax.BatchNorm1D(3, axis_name="data", unbiased_variance=True)
    run = jax.vmap(pax.purecall, (None, 0), (None, 0), axis_name="data")
    norm, _ = jax.jit(run)(norm, x.reshape(16, 1, 5, 3))
    np.testing.assert_allclose(norm.ema_var.averages.ravel(), x.var((0, 1), ddof=1), rtol=1e-5)


def test_in_evaluation_mode_no_axis_is_needed() -> None:
    x = batches()[0].astype(np.float32)
    np.testing.assert_array_equal(norm_of("data").eval()(x), norm_of().eval()(x))


TEXT = (
    "BatchNorm1D(num_channels=3, create_scale=True, create_offset=True, decay_rate=0.9, "
    "data_format=NWC"
)


@each(
    Bad(
        lambda: pax.BatchNorm1D(3, axis_name=0),  # type: ignore[arg-type]
        pax.ArgumentError,
        "BatchNorm1D got axis_name=0; expected a name, or several.",
        'write axis_name="batch", the name that jax.vmap or the mesh gives the axis.',
    ),
    Bad(
        lambda: pax.BatchNorm1D(3, axis_name=()),
        pax.ArgumentError,
        "BatchNorm1D got axis_name=(); expected a name, or several.",
        'write axis_name="batch", the name that jax.vmap or the mesh gives the axis.',
    ),
    Bad(
        lambda: pax.BatchNorm1D(3, unbiased_variance="yes"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "BatchNorm1D got unbiased_variance of type str; expected True or False.",
        "write unbiased_variance=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.BatchNorm1D(3, axis_name="data"),
        pax.CallError,
        f"{TEXT}, axis_name=data) was called where no axis named 'data' is mapped.",
        "call it in jax.vmap(..., axis_name='data') or in jax.shard_map over that axis; under jit "
        "alone leave axis_name out, for the statistics are those of the whole batch.",
        (np.zeros((2, 5, 3), np.float32),),
    ),
    Bad(
        lambda: pax.BatchNorm1D(3, unbiased_variance=True),
        pax.ShapeError,
        f"{TEXT}, unbiased_variance=True) got input of shape (1, 1, 3) in training mode; one entry "
        "has no unbiased variance.",
        "give it a larger batch, or leave unbiased_variance out.",
        (np.zeros((1, 1, 3), np.float32),),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
