"""Purity and JAX's transformations: what is changed inside must come back as an output."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import pax
from tests.core.samples import Apply, Box, Counter, Net, normal

TRACE = "inside a JAX transformation"


def bump(counter: Counter, x: jax.Array) -> jax.Array:
    """Changes a module and returns `x`."""
    counter.count = counter.count + 1
    return x


def on_two_devices(fn: Any, x: jax.Array) -> Any:
    mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    return jax.shard_map(fn, mesh=mesh, in_specs=P("d"), out_specs=P("d"))(x)


#: Each runs a function of one array inside an inner trace.
INNER = {
    "jit": lambda fn, x: jax.jit(fn)(x),
    "grad": lambda fn, x: jax.grad(lambda x: fn(x).sum())(x),
    "value_and_grad": lambda fn, x: jax.value_and_grad(lambda x: fn(x).sum())(x),
    "vmap": lambda fn, x: jax.vmap(fn)(x),
    "scan": lambda fn, x: jax.lax.scan(lambda c, y: (c, fn(y)), 0, x),
    "pax.scan": lambda fn, x: pax.scan(lambda c, y: (c, fn(y)), 0, x),
    "fori": lambda fn, x: jax.lax.fori_loop(0, 2, lambda _, y: fn(y), x),
    "while": lambda fn, x: jax.lax.while_loop(lambda y: y[0] > 1e9, fn, x),
    "cond": lambda fn, x: jax.lax.cond(x[0] > 0, fn, lambda y: y, x),
    "switch": lambda fn, x: jax.lax.switch(0, [fn, lambda y: y], x),
    "map": lambda fn, x: jax.lax.map(fn, x),
    "checkpoint": lambda fn, x: jax.checkpoint(fn)(x),
    "vjp": lambda fn, x: jax.vjp(fn, x),
    "jvp": lambda fn, x: jax.jvp(fn, (x,), (x,)),
    "jacfwd": lambda fn, x: jax.jacfwd(fn)(x),
    "linearize": lambda fn, x: jax.linearize(fn, x),
    "remat": lambda fn, x: jax.remat(jax.jit(fn))(x),
    "empty scan": lambda fn, x: jax.lax.scan(lambda c, _: (fn(c), c), x, None, length=0),
    "lower": lambda fn, x: jax.jit(fn).lower(x),
    "hessian": lambda fn, x: jax.hessian(lambda x: fn(x).sum())(x),
    "eval_shape": lambda fn, x: jax.eval_shape(fn, x),
    "make_jaxpr": lambda fn, x: jax.make_jaxpr(fn)(x),
    "shard_map": on_two_devices,
}


@pytest.mark.parametrize("outer", ["eager", "jit"])
@pytest.mark.parametrize("name", INNER)
def test_an_inner_trace_cannot_change_an_outer_module(name: str, outer: str) -> None:
    def run(counter: Counter, x: jax.Array) -> Counter:
        with pytest.raises(pax.PurityError, match=TRACE):
            INNER[name](functools.partial(bump_closed, counter), x)
        counter.count = counter.count + 10
        return counter

    def bump_closed(counter: Counter, x: jax.Array) -> jax.Array:
        return bump(counter, x)

    program = pax.pure(run)
    changed = (jax.jit(program) if outer == "jit" else program)(Counter(), normal(4))
    assert int(changed.count) == 10


@pytest.mark.parametrize("name", INNER)
def test_pure_inside_the_inner_trace_is_allowed(name: str) -> None:
    def run(x: jax.Array) -> jax.Array:
        counter, y = pax.pure(lambda c, x: (c, bump(c, x)))(Counter(), x)
        assert counter.count is not None
        return y

    INNER[name](run, normal(4))


@pytest.mark.parametrize("name", ["jit", "vmap", "grad", "checkpoint", "scan"])
def test_a_copy_passed_into_an_inner_trace_is_sealed(name: str) -> None:
    def run(counter: Counter, x: jax.Array) -> Counter:
        def inner(x: jax.Array) -> jax.Array:
            leaves, treedef = jax.tree.flatten(counter)
            with pytest.raises(pax.PurityError, match="was not given"):
                bump(treedef.unflatten(leaves), x)
            return x

        INNER[name](inner, x)
        return counter

    assert int(pax.pure(run)(Counter(), normal(4)).count) == 0


def test_a_module_that_an_inner_jit_returns() -> None:
    @jax.jit
    def step(counter: Counter, x: jax.Array) -> Any:
        return pax.pure(lambda c, x: (c, bump(c, x)))(counter, x)

    def run(box: Box, x: jax.Array) -> Box:
        for _ in range(3):
            box.counter, x = step(box.counter, x)
        return box

    box = Box(counter=Counter())
    assert int(pax.pure(run)(box, normal(2)).counter.count) == 3
    assert step._cache_size() == 1


def test_state_through_scan() -> None:
    net, xs = Net(), normal(4, 5, 3)

    def step(net: Net, x: jax.Array) -> Any:
        return net % x

    for scan in (jax.lax.scan, pax.scan):
        final, ys = scan(step, net, xs)
        assert int(final.counter.count) == 4
        np.testing.assert_allclose(ys[2], net.eval()(xs[2]), rtol=1e-5, atol=1e-5)


def test_state_through_vmap_checkpoint_cond_and_fori() -> None:
    counter, x = Counter(), normal(3)
    many, _ = jax.vmap(pax.purecall, in_axes=(None, 0), out_axes=(0, 0))(counter, x)
    assert many.count.tolist() == [1, 1, 1]
    again, _ = jax.checkpoint(lambda c, x: c % x)(counter, x)
    assert int(again.count) == 1
    chosen = jax.lax.cond(x[0] > -1e9, lambda c: (c % x)[0], lambda c: c, counter)
    assert int(chosen.count) == 1
    looped = jax.lax.fori_loop(0, 5, lambda _, c: (c % x)[0], counter)
    assert int(looped.count) == 5


def test_state_through_grad() -> None:
    net, x = Net(), normal(5, 3)

    def loss(params: Net, net: Net) -> Any:
        net, y = (net | params) % x
        return (y**2).sum(), net

    grads, changed = jax.jit(jax.grad(loss, has_aux=True))(~net, net)
    assert int(changed.counter.count) == 1
    assert grads.counter.count == pax.EmptyNode()
    assert grads.encoder.weight.shape == (3, 4)


def test_a_stateful_call_outside_pure_raises_in_every_trace() -> None:
    net = Net()
    for name in ("jit", "vmap", "scan", "checkpoint", "eval_shape"):
        with pytest.raises(pax.PurityError, match="outside"):
            INNER[name](net, normal(4, 1, 3))


def test_under_disable_jit_everything_is_one_trace() -> None:
    def run(counter: Counter, x: jax.Array) -> Counter:
        jax.jit(lambda x: bump(counter, x))(x)
        return counter

    with jax.disable_jit():
        assert int(pax.pure(run)(Counter(), normal(2)).count) == 1


#: Each calls a function with a gradient of its own; the second says whether JAX, while it compiles,
#: traces it apart. A rule is run in the trace around it, on what is known there.
CUSTOM = {
    "vjp": (lambda fn, x: custom_vjp(fn)(x), True),
    "rule of vjp": (lambda fn, x: jax.grad(lambda x: custom_vjp(fn)(x).sum())(x), False),
    "jvp": (lambda fn, x: custom_jvp(fn)(x), True),
    "rule of jvp": (lambda fn, x: jax.jvp(custom_jvp(fn), (x,), (x,)), False),
}


def custom_vjp(fn: Any) -> Any:
    wrapped = jax.custom_vjp(fn)
    wrapped.defvjp(lambda x: (fn(x), None), lambda _, g: (g,))
    return wrapped


def custom_jvp(fn: Any) -> Any:
    wrapped = jax.custom_jvp(fn)
    wrapped.defjvp(lambda x, t: (fn(*x), *t))
    return wrapped


@pytest.mark.parametrize("name", CUSTOM)
def test_a_function_with_its_own_gradient_leaks_nothing(name: str) -> None:
    call, apart = CUSTOM[name]

    def run(counter: Counter, x: jax.Array) -> Counter:
        call(lambda x: bump(counter, x), x)
        return counter

    def refused(counter: Counter, x: jax.Array) -> Counter:
        with pytest.raises(pax.PurityError, match=TRACE):
            call(lambda x: bump(counter, x), x)
        return counter

    counter, x = Counter(), normal(4)
    assert int(pax.pure(run)(counter, x).count) == 1
    if apart:
        assert int(jax.jit(pax.pure(refused))(counter, x).count) == 0
    else:
        with jax.checking_leaks():
            assert int(jax.jit(pax.pure(run))(counter, x).count) == 1


def test_a_custom_gradient_that_calls_a_module() -> None:
    @jax.custom_vjp
    def scaled(net: Net, x: jax.Array) -> jax.Array:
        return net(x)

    def forward(net: Net, x: jax.Array) -> Any:
        return net(x), (net, x)

    def backward(kept: Any, g: jax.Array) -> Any:
        net, x = kept
        zeros = jax.tree.map(
            lambda p: (
                jnp.zeros_like(p)
                if jnp.issubdtype(p.dtype, jnp.floating)
                else np.zeros(p.shape, jax.dtypes.float0)
            ),
            net,
        )
        return zeros, x * 2

    scaled.defvjp(forward, backward)
    net, x = Net().eval(), normal(5, 3)
    g = jax.grad(lambda x: scaled(net, x).sum())(x)
    np.testing.assert_allclose(g, x * 2, rtol=1e-6)


def test_a_train_step_is_traced_once_and_changes_state() -> None:
    traces: list[int] = []

    @jax.jit
    def step(net: Net, x: jax.Array) -> Net:
        traces.append(1)

        def loss(params: Net) -> Any:
            changed, y = (net | params) % x
            return (y**2).sum(), changed

        grads, changed = jax.grad(loss, has_aux=True)(~net)
        return changed | jax.tree.map(lambda p, g: p - 0.01 * g, ~net, grads)

    net, x = Net(), normal(5, 3)
    losses = []
    for _ in range(10):
        losses.append(float((net.eval()(x) ** 2).sum()))
        net = step(net, x)
    assert len(traces) == 1
    assert int(net.counter.count) == 10
    assert losses[-1] < losses[0]


def test_a_leaked_tracer_is_impossible_even_through_a_list() -> None:
    def run(box: Box, x: jax.Array) -> Box:
        jax.vmap(lambda y: (box.layers.append(y), y)[1])(x)
        return box

    with pytest.raises((pax.PaxError, jax.errors.UnexpectedTracerError)):
        jax.jit(pax.pure(run))(Box(layers=[]), normal(3))


def test_nothing_outlives_its_trace() -> None:
    """JAX's own check finds no tracer kept in a permit, a structure or a call."""

    def build(x: jax.Array) -> jax.Array:
        return Box(w=x * 2, parts=[Box(w=x), max]).w

    def call(net: Box, x: jax.Array) -> Any:
        net.made = Box(w=x, parts=[x * 2, max])
        return net, net.counter(x)

    net, x = Box(counter=Counter()), normal(3)
    with jax.checking_leaks():
        jax.jit(build)(x)
        pax.pure(lambda net, x: jax.jit(build)(x))(net, x)
        jax.jit(pax.pure(call))(net, x)
        jax.lax.scan(lambda counter, x: counter % x, Counter(), x)
        jax.jit(jax.grad(lambda x: pax.pure(call)(net, x)[1].sum()))(x)
        with pytest.raises(pax.CallError):
            jax.jit(lambda net, x: net.counter(x, x))(net, x)


def test_calls_of_a_closed_over_module_do_not_need_pure() -> None:
    net, x = Net().eval(), normal(4, 5, 3)
    expected = jax.vmap(net)(x)
    got = jax.lax.map(net, x)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    add = Apply(lambda self, x: x + self.bias, bias=normal(3))
    assert jax.vmap(add)(normal(5, 3)).shape == (5, 3)
