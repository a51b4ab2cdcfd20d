"""Telling one JAX trace from another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import types

import jax
import jax.numpy as jnp
import pytest

from pax._core import jax_compat
from pax._core.jax_compat import cuda_capability, is_tracing, trace_state, uses_raw_threefry
from tests.core.samples import normal


def transformed(name: str, body):
    """Runs `body()` inside one JAX transformation."""

    def fn(x):
        body()
        return x

    x = normal(3)
    return {
        "jit": lambda: jax.jit(fn)(x),
        "grad": lambda: jax.grad(lambda x: fn(x).sum())(x),
        "vmap": lambda: jax.vmap(fn)(x),
        "jvp": lambda: jax.jvp(fn, (x,), (x,)),
        "linearize": lambda: jax.linearize(fn, x),
        "scan": lambda: jax.lax.scan(lambda c, y: (fn(c), y), x, x),
        "while": lambda: jax.lax.while_loop(lambda c: c[0] > 1e9, fn, x),
        "cond": lambda: jax.lax.cond(x[0] > 0, fn, fn, x),
        "checkpoint": lambda: jax.checkpoint(fn)(x),
        "eval_shape": lambda: jax.eval_shape(fn, x),
        "make_jaxpr": lambda: jax.make_jaxpr(fn)(x),
    }[name]()


NAMES = [
    "jit",
    "grad",
    "vmap",
    "jvp",
    "linearize",
    "scan",
    "while",
    "cond",
    "checkpoint",
    "eval_shape",
    "make_jaxpr",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_transformation_is_a_trace_of_its_own(name: str) -> None:
    outside, inside, tracing = trace_state(), [], []

    def body() -> None:
        inside.append(trace_state())
        tracing.append(is_tracing())

    transformed(name, body)
    assert inside
    assert all(tracing)
    assert all(state != outside for state in inside)
    assert trace_state() == outside
    assert not is_tracing()


@pytest.mark.parametrize("name", NAMES)
def test_an_inner_trace_differs_from_the_outer_one(name: str) -> None:
    states = []

    def outer(x):
        states.append(trace_state())
        transformed(name, lambda: states.append(trace_state()))
        assert trace_state() == states[0]
        return x

    jax.jit(outer)(1.0)
    assert all(state != states[0] for state in states[1:])


def test_two_traces_of_one_function_differ() -> None:
    states = []
    fn = jax.jit(lambda x: states.append(trace_state()))
    fn(1.0)
    fn(normal(2))
    assert states[0] != states[1]


def test_other_threads_and_meshes_do_not_look_like_a_trace() -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(is_tracing()))
    jax.jit(lambda x: (thread.start(), thread.join()))(1.0)
    assert seen == [False]
    with jax.set_mesh(jax.make_mesh((2,), ("x",))):
        assert not is_tracing()
    with jax.enable_x64(True), jax.debug_nans(True):
        assert not is_tracing()


def test_the_first_look_may_come_from_inside_a_trace() -> None:
    """`import pax` may first happen in a function that JAX traces."""
    program = """
import jax
seen = []
def f(x):
    from pax._core.jax_compat import is_tracing
    seen.append(is_tracing())
    return x
jax.jit(f)(1.0)
f(1.0)
assert seen == [True, False], seen
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=env, timeout=120)


def test_the_default_generator() -> None:
    assert uses_raw_threefry()
    with jax.default_prng_impl("rbg"):
        assert not uses_raw_threefry()
    with jax.enable_custom_prng(True):
        assert not uses_raw_threefry()
    assert jnp.asarray(jax.random.PRNGKey(3)).tolist() == [0, 3]


def test_first_used_while_another_thread_imports_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python names a submodule in its package last, when others can import it already."""
    before = trace_state()
    jax_compat._trace_state_getter.cache_clear()
    monkeypatch.delattr(jax, "extend")
    assert trace_state() == before


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"compute_capability": "8.6"}, (8, 6)),
        ({"compute_capability": "12.0"}, (12, 0)),
        ({"compute_capability": "gfx942"}, None),  # of another make
        ({}, None),
    ],
)
def test_the_compute_capability_of_the_device(
    monkeypatch: pytest.MonkeyPatch, attributes: dict[str, str], expected: tuple[int, int] | None
) -> None:
    device = types.SimpleNamespace(**attributes)
    monkeypatch.setattr(jax, "devices", lambda *_: [device])
    assert cuda_capability() == expected


def test_the_device_is_the_default_one(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = types.SimpleNamespace(compute_capability="9.0")
    monkeypatch.setattr(jax, "devices", lambda *backend: [gpu])
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        assert cuda_capability() is None
    with jax.default_device("gpu"):
        assert cuda_capability() == (9, 0)
    assert cuda_capability() == (9, 0)
