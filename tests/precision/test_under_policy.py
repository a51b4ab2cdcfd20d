"""Modules under a policy in the rest of the library, and in the transformations of JAX."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.core.samples import normal
from tests.precision.probe import BF16, F16, F32, POLICY, under


def test_frozen_and_with_other_methods_in_either_order() -> None:
    linear = pax.Linear(2, 3)
    one, two = pax.freeze_parameters(under(linear)), under(pax.freeze_parameters(linear))
    assert one == two
    assert jax.tree.leaves(one.parameters()) == []
    assert one(normal(1, 2)).dtype == F16
    assert pax.freeze_parameters(one) == one
    assert pax.unwrap_mp_policy(one) == pax.freeze_parameters(linear)
    assert pax.unfreeze_parameters(one, origin=under(linear)) == under(linear)

    def __call__(self, x):
        return x @ self.weight

    bare = under(linear).replace_method(__call__=__call__)
    assert bare(normal(1, 2)).dtype == F16
    assert bare == under(linear.replace_method(__call__=__call__))


def test_copies_and_pickles() -> None:
    module = under(pax.Sequential(pax.Linear(2, 3))).apply_submodules(lambda m: under(m))
    frozen = pax.freeze_parameters(module)
    for original in (module, frozen):
        for again in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
            assert type(again) is type(original)
            assert jax.tree.structure(again) == jax.tree.structure(original)
            np.testing.assert_array_equal(again(normal(1, 2)), original(normal(1, 2)))


def test_modes_state_dict_and_parameters() -> None:
    net = pax.Sequential(pax.Linear(2, 3), pax.BatchNorm1D(3)).apply(lambda m: under(m))
    assert [m.training for m in (net.eval(), *net.eval().submodules())] == [False] * 3
    assert net.eval().train() == net
    assert net.load_state_dict(net.state_dict()) == net
    plain = net.apply(pax.unwrap_mp_policy)
    leaves, treedef = jax.tree.flatten(plain.state_dict())
    assert treedef == jax.tree.structure(net.state_dict())
    assert net | net.parameters() == net
    assert len(jax.tree.leaves(net.parameters())) == 4 < len(leaves)


def state_net() -> pax.Module:
    net = pax.Sequential(pax.Linear(2, 4), pax.BatchNorm1D(4), jax.nn.relu, pax.Dropout(0.3))
    return net.apply(lambda m: under(m, pax.Policy(F32, BF16, F32)))


def test_in_jit_grad_vmap_and_scan() -> None:
    net, xs = state_net(), normal(3, 5, 4, 2)

    def loss(net, x):
        net, y = pax.purecall(net, x)
        return jnp.mean(y**2), net

    def step(net, x):
        grads, net = pax.grad(loss, has_aux=True)(net, x)
        assert {g.dtype for g in jax.tree.leaves(grads)} == {F32}
        params = jax.tree.map(lambda p, g: p - jnp.float32(0.1) * g, net.parameters(), grads)
        return net.update_parameters(params), loss(net, x)[0]

    by_hand, losses = net, []
    for x in xs:
        by_hand, value = jax.jit(step)(by_hand, x)
        losses.append(value)
    scanned, values = jax.jit(lambda net: jax.lax.scan(step, net, xs))(net)
    pax.assert_structure_equal(scanned, net)
    for a, b in zip(
        jax.tree.leaves((scanned, values)), [*jax.tree.leaves(by_hand), losses], strict=True
    ):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-5, atol=1e-6)
    each = jax.vmap(lambda x: net.eval()(x))(xs)
    # alike to one rounding of bfloat16
    np.testing.assert_allclose(each[1], net.eval()(xs[1]), rtol=2.0**-7)
    assert jax.eval_shape(lambda net: step(net, xs[0])[0], net)[0].weight.dtype == F32


def test_one_trace_for_equal_policies() -> None:
    traces = []

    @jax.jit
    def run(module, x):
        traces.append(1)
        return module(x)

    linear = pax.Linear(2, 3)
    for policy in (POLICY, pax.Policy(F32, BF16, F16), pax.Policy.parse(str(POLICY))):
        run(under(linear, policy), normal(1, 2))
    assert len(traces) == 1
    run(under(linear, pax.Policy(F32, F16, F16)), normal(1, 2))
    assert len(traces) == 2


def test_float64() -> None:
    with jax.enable_x64(True):
        module = under(pax.Linear(2, 3), pax.Policy.parse("float64"))
        assert module.weight.dtype == np.float64
        assert module(normal(1, 2)).dtype == np.float64
        assert "mp_policy=DDD" in repr(module)


def test_the_difference_that_a_policy_makes_is_named() -> None:
    linear = pax.Linear(2, 3)
    with pytest.raises(pax.StructureError) as raised:
        pax.assert_structure_equal([under(pax.freeze_parameters(linear))], [linear])
    assert str(raised.value).startswith(
        "the structures differ at `0`: Linear with wrapped methods with another parameters against "
        "Linear."
    )


HALF, MIXED = pax.Policy.parse("bfloat16"), pax.Policy.parse("mixed_bfloat16")
WAYS: dict[str, Callable[[Any], Any]] = {
    "all": lambda m: pax.apply_mp_policy(m, HALF),
    "all but the stack": lambda m: m if isinstance(m, pax.Stack) else pax.apply_mp_policy(m, MIXED),
    "dense layers": lambda m: pax.apply_mp_policy(m, MIXED) if isinstance(m, pax.Linear) else m,
    "by role": pax.experimental.default_mp_policy,
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_stack_decodes_what_one_call_gives(way: str) -> None:
    sizes: Any = {"dim": 8, "num_heads": 2, "num_layers": 2, "hidden_dim": 12}
    net = pax.nets.Llama(20, **sizes).eval().apply(WAYS[way])
    tokens = jnp.array([[3, 1, 4, 1, 5]])
    expected = net(tokens)
    logits, cache = net.decode(tokens[:, :3], net.make_cache(1, 5))
    more, _ = jax.jit(lambda net, x, cache: net.decode(x, cache))(net, tokens[:, 3:], cache)
    found = jnp.concatenate([logits, more], axis=1)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=2e-3)
