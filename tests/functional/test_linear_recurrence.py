"""Linear recurrences: each implementation beside loops in NumPy, at the ends of the range too."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax.functional as F
from pax import ArgumentError, DtypeError, ShapeError
from pax.functional.linear_recurrence import IMPLEMENTATIONS
from tests.functional.messages import message

BOTH = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def decays(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns numbers between 0 and 1; some are 0, and of some the products underflow."""
    numbers = np.random.default_rng(seed).uniform(0.0, 1.0, shape)
    numbers[numbers < 0.1] = 0.0
    return np.where(numbers > 0.9, 1e-200, numbers)


def of_recurrence(decay: Any, x: Any, state: Any) -> Any:
    """Steps the recurrence, in NumPy."""
    states = []
    for t in range(len(x)):
        state = decay[t] * state + x[t]
        states.append(state)
    return states


def loop_of_recurrence(decay: Any, x: Any, state: Any) -> Any:
    def step(state: Any, given: Any) -> Any:
        decay, x = given
        return (state := decay * state + x), state

    return jax.lax.scan(step, state, (decay, x))[1]


def loop_of_attention(query: Any, key: Any, value: Any, decay: Any, state: Any) -> Any:
    def step(state: Any, given: Any) -> Any:
        query, key, value, decay = given
        state = decay[..., None] * state + jnp.einsum("bhk,bhv->bhkv", key, value)
        return state, jnp.einsum("bhk,bhkv->bhv", query, state)

    return pax.scan(step, state, (query, key, value, decay), time_major=False)


def loop_of_scan(x: Any, delta: Any, a: Any, b: Any, c: Any, state: Any) -> Any:
    def step(state: Any, given: Any) -> Any:
        x, delta, b, c = given
        decay = jnp.exp(jnp.einsum("be,ne->bne", delta, a))
        state = decay * state + jnp.einsum("be,be,bn->bne", delta, x, b)
        return state, jnp.einsum("bn,bne->be", c, state)

    return pax.scan(step, state, (x, delta, b, c), time_major=False)


def recurrence(steps: int) -> Any:
    return decays(steps, 2, 3), normal(steps, 2, 3), normal(2, 3, seed=1)


def attention(steps: int) -> Any:
    keys = (2, steps, 3, 2)
    shapes = keys, keys, (2, steps, 3, 4)
    return *(normal(*s, seed=i) for i, s in enumerate(shapes)), decays(*keys), normal(2, 3, 2, 4)


def scan(steps: int) -> Any:
    x, delta, b, c = (normal(2, steps, n, seed=i) for i, n in enumerate((3, 3, 4, 4)))
    delta[:, 1:2] = 0.0  # no step at all
    return x, 3.0 * np.abs(delta), -np.exp(normal(4, 3, seed=5)), b, c, normal(2, 4, 3, seed=6)


FUNCTIONS = {
    "recurrence": (F.linear_recurrence, loop_of_recurrence, recurrence),
    "attention": (F.gated_linear_attention, loop_of_attention, attention),
    "scan": (F.selective_scan, loop_of_scan, scan),
}
#: Of a block of attention and of a scan: a part; slowly all, one more, and several.
QUICK = [("recurrence", 5), ("attention", 5), ("scan", 3)]
SLOW = [
    *(("recurrence", steps) for steps in (1, 2, 64, 100)),
    *(("attention", steps) for steps in (1, 16, 17, 50)),
    *(("scan", steps) for steps in (1, 64, 65, 130)),
]


def with_gradients(run: Any, arguments: Any) -> Any:
    """Returns outputs, and the gradients of a random sum of them."""

    def loss(*arguments: Any) -> Any:
        out = run(*arguments)
        weighted = [(normal(*x.shape, seed=9) * x).sum() for x in jax.tree.leaves(out)]
        return sum(weighted), out

    places = tuple(range(len(arguments)))
    (_, out), gradients = jax.value_and_grad(loss, places, has_aux=True)(*arguments)
    return out, gradients


@BOTH
@pytest.mark.parametrize(
    ("name", "steps"), [*QUICK, *(pytest.param(*s, marks=pytest.mark.slow) for s in SLOW)]
)
def test_outputs_and_gradients_are_those_of_a_loop(
    name: str, steps: int, implementation: str
) -> None:
    function, loop, draw = FUNCTIONS[name]
    with jax.enable_x64(True):
        arguments = tuple(map(jnp.asarray, draw(steps)))

        @jax.jit
        def run(*arguments: Any) -> Any:
            ours = with_gradients(
                lambda *xs: function(*xs, implementation=implementation), arguments
            )
            return ours, with_gradients(loop, arguments)

        for x, y in zip(*map(jax.tree.leaves, run(*arguments)), strict=True):
            assert x.dtype == y.dtype == np.float64
            np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-10)


@BOTH
def test_complex_numbers(implementation: str) -> None:
    decay = (0.9 * np.exp(1j * normal(7, 2))).astype(np.complex64)
    x = (normal(7, 2, seed=1) + 1j * normal(7, 2, seed=2)).astype(np.complex64)
    state = normal(2, seed=3).astype(np.complex64)
    found = F.linear_recurrence(decay, x, state, implementation=implementation)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, of_recurrence(decay, x, state), rtol=1e-5, atol=1e-5)


@BOTH
@pytest.mark.parametrize("axis", [1, pytest.param(0, marks=pytest.mark.slow), -1])
def test_any_axis_is_time_and_decays_are_broadcast(axis: int, implementation: str) -> None:
    x, decay = normal(3, 4, 5).astype(np.float32), np.full((1, 1), 0.5, np.float32)
    found = F.linear_recurrence(decay, x, axis=axis, implementation=implementation)
    x = np.moveaxis(x, axis, 0)
    expected = of_recurrence(np.full_like(x, 0.5), x, np.zeros_like(x[0]))
    np.testing.assert_allclose(found, np.moveaxis(np.stack(expected), 0, axis), atol=1e-5)


@BOTH
def test_no_steps(implementation: str) -> None:
    options = {"implementation": implementation}
    assert F.linear_recurrence(*recurrence(0), **options).shape == (0, 2, 3)
    for function, draw in ((F.gated_linear_attention, attention), (F.selective_scan, scan)):
        *arguments, state = (x.astype(np.float32) for x in draw(0))
        after, y = function(*arguments, state, **options)
        np.testing.assert_array_equal(after, state)
        assert y.shape[:2] == (2, 0)


@pytest.mark.parametrize(
    "implementation", ["steps", pytest.param("parallel", marks=pytest.mark.slow)]
)
def test_half_precision_is_summed_in_float32(implementation: str) -> None:
    # in bfloat16 the sum of many ones stops at 256
    ones = jnp.ones((1000, 1), jnp.bfloat16)
    assert F.linear_recurrence(ones, ones, implementation=implementation)[-1].item() == 1000
    four = ones.reshape(1, -1, 1, 1)
    assert F.gated_linear_attention(*[four] * 4, implementation=implementation)[0].item() == 1000


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps"), [("attention", 64), ("scan", 256)])
@BOTH
def test_memory_of_the_gradient_grows_with_the_steps(
    name: str, steps: int, implementation: str
) -> None:
    function, _, draw = FUNCTIONS[name]

    def temporary(steps: int) -> int:
        arguments = [jax.ShapeDtypeStruct(x.shape, np.float32) for x in draw(steps)]

        def loss(*arguments: Any) -> Any:
            out = function(*arguments, implementation=implementation)
            return sum((x**2).sum() for x in out)

        gradient = jax.jit(jax.grad(loss, tuple(range(len(arguments)))))
        return gradient.lower(*arguments).compile().memory_analysis().temp_size_in_bytes

    assert temporary(4 * steps) < 4.4 * temporary(steps)


@pytest.mark.slow
@BOTH
def test_a_scan_holds_few_states(implementation: str) -> None:
    x, delta, b, c = (jax.ShapeDtypeStruct((1, 4096, n), np.float32) for n in (8, 8, 32, 32))
    a = jax.ShapeDtypeStruct((32, 8), np.float32)

    def loss(*arguments: Any) -> Any:
        return (F.selective_scan(*arguments, implementation=implementation)[1] ** 2).sum()

    gradient = jax.jit(jax.grad(loss, tuple(range(5))))
    memory = gradient.lower(x, delta, a, b, c).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 4096 * 8 * 32 * 4  # one for each step


ONES = np.ones((2, 5, 3), np.float32)
KEYS = np.ones((2, 5, 1, 3), np.float32)
RATES = np.ones((4, 3), np.float32)
MAPS = np.ones((2, 5, 4), np.float32)


def test_bad_input() -> None:
    run = F.linear_recurrence
    assert message(ShapeError, lambda: run(ONES[:1, :2], ONES)) == (
        "linear_recurrence got decay (1, 2, 3), x (2, 5, 3), state (5, 3); expected (2, 5, 3), "
        "(2, 5, 3), (5, 3).\n"
        "  fix: give the decay the shape of x, or axes of size 1, and the state that of one step."
    )
    assert message(ShapeError, lambda: run(ONES, ONES, ONES[0], axis=1)) == (
        "linear_recurrence got decay (2, 5, 3), x (2, 5, 3), state (5, 3); expected (2, 5, 3), "
        "(2, 5, 3), (2, 3).\n"
        "  fix: give the decay the shape of x, or axes of size 1, and the state that of one step."
    )
    assert message(ArgumentError, lambda: run(ONES, ONES, axis=3)) == (
        "linear_recurrence got axis=3 and x of shape (2, 5, 3); expected one of its axes.\n"
        "  fix: name the axis of time: axis=0 for [T, ...], axis=1 for [B, T, ...]."
    )
    assert message(DtypeError, lambda: run(ONES, ONES.astype(np.int32))) == (
        "linear_recurrence got x of dtype int32; expected a floating or complex dtype.\n"
        "  fix: convert it first, e.g. x.astype(jnp.float32)."
    )
    assert message(ArgumentError, lambda: run(ONES, ONES, implementation="tree")) == (
        "linear_recurrence got implementation='tree'; expected one of 'steps', 'parallel'.\n"
        "  fix: write implementation='steps'."
    )


def test_bad_keys() -> None:
    run = F.gated_linear_attention
    assert message(ShapeError, lambda: run(KEYS, KEYS, KEYS[:, :4], KEYS)) == (
        "gated_linear_attention got query (2, 5, 1, 3), key (2, 5, 1, 3), value (2, 4, 1, 3), "
        "decay (2, 5, 1, 3); expected [B, T, H, K], value [B, T, H, V].\n"
        "  fix: query, key and decay have one shape; value may differ in its last axis."
    )
    assert message(ShapeError, lambda: run(KEYS, KEYS, KEYS, KEYS, KEYS)) == (
        "gated_linear_attention got state (2, 5, 1, 3); expected [B, H, K, V], (2, 1, 3, 3).\n"
        "  fix: pass the state that the call before returned, or None."
    )


def test_bad_maps() -> None:
    run = F.selective_scan
    assert message(ShapeError, lambda: run(ONES, ONES, RATES.T, MAPS, MAPS)) == (
        "selective_scan got x (2, 5, 3), delta (2, 5, 3), a (3, 4), b (2, 5, 4), c (2, 5, 4); "
        "expected x and delta [B, T, E], a [N, E], b and c [B, T, N].\n"
        "  fix: a holds a row for each number of the state, a column for each channel of x."
    )
    assert message(ShapeError, lambda: run(ONES, ONES, RATES, MAPS, MAPS, ONES)) == (
        "selective_scan got state (2, 5, 3); expected [B, N, E], (2, 4, 3).\n"
        "  fix: pass the state that the call before returned, or None."
    )
