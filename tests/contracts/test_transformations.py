"""Every transformation of JAX gives what plain calls give."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import pax
from tests.catalogue import LAYERS
from tests.catalogue_functions import FUNCTIONS
from tests.contracts.case import (
    Case,
    assert_same,
    built,
    compiled,
    compiled_gradient,
    key,
    loss_of,
    on_host,
    one_of_each,
    over,
    paths,
    stack,
    subject,
    unstack,
)

N = 8  # calls in a stack, and devices
STATEFUL = [case for case in LAYERS if case.changes]

#: `next_rng_key` warns once when a constructor without a key of its own is traced.
own_keys = pytest.mark.filterwarnings("ignore:pax.next_rng_key")


def stacked_inputs(case: Case) -> tuple[Any, ...]:
    """Returns the arguments of N calls, along a new first axis."""
    return stack([case.inputs(seed) for seed in range(N)])


def one_by_one(case: Case, modules: list[Any], inputs: Any) -> Any:
    """Returns the results of N calls, each with its own part of the inputs."""
    calls = zip(modules, unstack(inputs, N), strict=True)
    return stack([compiled(case)(module, *xs) for module, xs in calls])


@over([case for case in LAYERS + FUNCTIONS if case.inputs()], quick=one_of_each(LAYERS + FUNCTIONS))
def test_vmap_over_inputs(case: Case) -> None:
    pax.testing.check_vmap(subject(case), case.inputs(), case.tolerance)


@pytest.mark.slow
@own_keys
@over(one_of_each(LAYERS))
def test_vmap_over_modules(case: Case) -> None:
    keys, inputs = stack([key(i) for i in range(N)]), stacked_inputs(case)
    modules = jax.jit(jax.vmap(case.make, axis_size=N))(keys)
    found = jax.jit(jax.vmap(case.apply))(modules, *inputs)
    apart = unstack(modules, N)
    assert_same(found, one_by_one(case, apart, inputs), case.tolerance)
    assert_same(apart[0].parameters(), built(case).parameters(), 1e-6)


@over(one_of_each(LAYERS), quick=STATEFUL)
def test_scan_carries_the_module(case: Case) -> None:
    module, inputs = built(case), stacked_inputs(case)
    found = jax.jit(
        lambda module, inputs: jax.lax.scan(
            lambda carry, xs: case.apply(carry, *xs), module, inputs, length=N
        )
    )(module, inputs)
    outputs = []
    for xs in unstack(inputs, N):
        module, output = compiled(case)(module, *xs)
        outputs.append(output)
    assert_same(found, (module, stack(outputs)), case.tolerance)


@pytest.mark.slow
@over(one_of_each(LAYERS))
def test_cond_returns_the_module(case: Case) -> None:
    module, inputs = built(case), case.inputs()
    expected = compiled(case)(module, *inputs)
    skipped = (module, on_host(np.zeros_like, expected[1]))
    branch = jax.jit(
        lambda go, *args: jax.lax.cond(go, case.apply, lambda m, *_: (m, skipped[1]), *args)
    )
    assert_same(branch(True, module, *inputs), expected, case.tolerance)
    assert_same(branch(False, module, *inputs), skipped)


@pytest.mark.slow
@over(one_of_each(LAYERS), "gradient")
def test_remat_gives_the_same_gradients(case: Case) -> None:
    floats, loss = loss_of(case, built(case), case.inputs())
    found = jax.jit(jax.value_and_grad(jax.checkpoint(loss)))(floats)
    assert_same(found, compiled_gradient(case)(floats), case.tolerance)


@over(one_of_each(LAYERS), quick=STATEFUL)
def test_shard_map_gives_each_device_its_part(case: Case) -> None:
    module, inputs = built(case), stacked_inputs(case)
    mesh = Mesh(np.array(jax.devices()), ("data",))
    everywhere, parted = PartitionSpec(), PartitionSpec("data")

    def on_one_device(module: Any, inputs: Any) -> Any:
        out = case.apply(module, *jax.tree.map(lambda x: x[0], inputs))
        return jax.tree.map(lambda x: x[None], out)

    run = jax.shard_map(on_one_device, mesh=mesh, in_specs=(everywhere, parted), out_specs=parted)
    found = jax.jit(run)(
        jax.device_put(module, NamedSharding(mesh, everywhere)),
        jax.device_put(inputs, NamedSharding(mesh, parted)),
    )
    assert all(len(x.devices()) == N for x in jax.tree.leaves(found))
    assert_same(found, one_by_one(case, [module] * N, inputs), case.tolerance)


@own_keys
@over(LAYERS)
def test_construction_and_call_can_be_abstract(case: Case) -> None:
    abstract = jax.eval_shape(case.make, key())
    leaves = jax.tree.leaves(abstract)
    assert all(isinstance(x, jax.ShapeDtypeStruct) for x in leaves)
    assert paths(abstract) == paths(built(case))
    for x, y in zip(leaves, jax.tree.leaves(built(case)), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
    found = jax.eval_shape(case.apply, abstract, *case.inputs())
    expected = compiled(case)(built(case), *case.inputs())
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
