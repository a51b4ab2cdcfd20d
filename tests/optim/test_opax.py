"""The package opax, a library of optimizers written for PAX, runs as it is.

opax is written for JAX's defaults: an integer count takes part in floating arithmetic, a vector
divides the rows of a matrix. So these tests switch the strict promotion of the bench off.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import opax
import opax.schedule
import pytest

import pax
from tests.core.samples import normal

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

RATE, STEPS, ROWS = 0.05, 6, 5


@pytest.fixture(autouse=True)
def standard_promotion() -> Iterator[None]:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def former_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives opax, and nobody else, the names of the arguments that `jnp.clip` had before JAX 0.10.

    Three parts of opax use them: `clip`, `clip_by_global_norm`, and a schedule with `min_value`.
    Whoever runs opax today clips with a transformation of his own (docs/optimizers.md), or gives
    opax such a function as this one.
    """

    def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
        return jnp.clip(x, min=a_min, max=a_max)

    numpy = types.SimpleNamespace(**{**vars(jnp), "clip": clip})
    for module in (opax.transform, opax.schedule):
        monkeypatch.setattr(module, "jnp", numpy)


# -- the rules in NumPy, float64 -------------------------------------------------------------

Rule = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def sgd(decay: float = 0.9, rate: Callable[[int], float] = lambda n: RATE) -> Rule:
    trace: Any = 0.0

    def rule(g: np.ndarray, p: np.ndarray, n: int) -> np.ndarray:
        nonlocal trace
        trace = g + decay * trace
        return rate(n) * trace

    return rule


def adam(weight_decay: float = 0.0) -> Rule:
    m: Any = 0.0
    v: Any = 0.0

    def rule(g: np.ndarray, p: np.ndarray, n: int) -> np.ndarray:
        nonlocal m, v
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
        return RATE * (step + weight_decay * p)

    return rule


def rmsprop(centered: bool = False, momentum: float = 0.0) -> Rule:
    m: Any = 0.0
    v: Any = 0.0
    trace: Any = 0.0

    def rule(g: np.ndarray, p: np.ndarray, n: int) -> np.ndarray:
        nonlocal m, v, trace
        m, v = 0.9 * m + 0.1 * g, 0.9 * v + 0.1 * g**2
        trace = momentum * trace + RATE * g / np.sqrt(v - centered * m**2 + 1e-8)
        return trace

    return rule


def decayed(rule: Rule) -> Rule:
    return lambda g, p, n: rule(g, p, n) + RATE * 0.1 * p


HALVING = opax.schedule.exponential_decay(0.2, 2.0)
FLOORED = opax.schedule.exponential_decay(0.2, 2.0, reduce_factor=3.0, min_value=0.05)

CASES: dict[str, tuple[Any, Callable[[], Rule]]] = {
    "sgd": (opax.sgd(RATE), sgd),
    "no momentum": (opax.sgd(RATE, momentum=0.0), lambda: sgd(0.0)),
    "adam": (opax.adam(RATE), adam),
    "adamw": (opax.adamw(RATE, weight_decay=0.1), lambda: adam(0.1)),
    "rmsprop": (opax.rmsprop(RATE), rmsprop),
    "centered": (opax.rmsprop(RATE, centered=True), lambda: rmsprop(True)),
    "rmsprop momentum": (opax.rmsprop(RATE, momentum=0.8), lambda: rmsprop(momentum=0.8)),
    "both": (opax.rmsprop(RATE, centered=True, momentum=0.8), lambda: rmsprop(True, 0.8)),
    "schedule": (opax.sgd(HALVING, 0.5), lambda: sgd(0.5, lambda n: 0.2 * 0.5 ** (n / 2))),
    "chain": (
        opax.chain(opax.trace(0.5), opax.add_decayed_weights(0.1), opax.scale(RATE)),
        lambda: decayed(sgd(0.5)),
    ),
}


def batches() -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(normal(STEPS, ROWS, 3)), np.asarray(normal(STEPS, ROWS, 2, seed=1))


def in_numpy(net: pax.Linear, new_rule: Callable[[], Rule]) -> list[np.ndarray]:
    """Returns weight and bias of a linear regression after the steps of a rule."""
    params = [np.asarray(p, np.float64) for p in (net.weight, net.bias)]
    rules = [new_rule(), new_rule()]
    for n, (x, y) in enumerate(zip(*batches(), strict=True), 1):
        error = x.astype(np.float64) @ params[0] + params[1] - y
        grads = [2 * x.T @ error / error.size, 2 * error.sum(0) / error.size]
        zipped = zip(rules, params, grads, strict=True)
        params = [p - rule(g, p, n) for rule, p, g in zipped]
    return params


def loss_fn(net: Any, batch: Any) -> Any:
    x, y = batch
    net, predicted = pax.purecall(net, x)
    loss = jnp.mean((predicted - y) ** 2)
    return loss, (loss, net)


def in_jit(net: Any, optimizer: Any) -> Any:
    update = jax.jit(pax.build_update_fn(loss_fn))
    for batch in zip(*batches(), strict=True):
        net, optimizer, _ = update(net, optimizer, batch)
    return net, optimizer


def in_scan(net: Any, optimizer: Any) -> Any:
    update = pax.build_update_fn(loss_fn, scan_mode=True)
    return pax.scan(update, (net, optimizer), batches())[0]


def with_its_own_function(net: Any, optimizer: Any) -> Any:
    @jax.jit
    def step(net: Any, optimizer: Any, batch: Any) -> Any:
        grads, _ = pax.grad(loss_fn, has_aux=True)(net, batch)
        return opax.apply_gradients(net, optimizer, grads)

    for batch in zip(*batches(), strict=True):
        net, optimizer = step(net, optimizer, batch)
    return net, optimizer


def assert_equal_to_numpy(net: Any, expected: list[np.ndarray]) -> None:
    np.testing.assert_allclose(net.weight, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(net.bias, expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "train"),
    [
        *((name, in_jit) for name in CASES),
        *((name, in_scan) for name in ("sgd", "adam", "adamw", "rmsprop", "schedule")),
        *((name, with_its_own_function) for name in ("adamw", "schedule")),
    ],
)
def test_numbers(name: str, train: Any) -> None:
    make, rule = CASES[name]
    net = pax.Linear(3, 2)
    trained, optimizer = train(net, make(net.parameters()))
    assert_equal_to_numpy(trained, in_numpy(net, rule))
    assert pax.assert_structure_equal(optimizer, make(net.parameters()))


@pytest.mark.parametrize(
    ("options", "train"),
    [({"flatten": True}, in_jit), ({"flatten": True}, in_scan), ({"strict": False}, in_jit)],
)
def test_flat_lists_of_parameters(options: Any, train: Any) -> None:
    net = pax.Linear(3, 2)
    optimizer = opax.adamw(RATE, weight_decay=0.1).init(net.parameters(), **options)
    assert len(jax.tree.leaves(optimizer)) == 5
    trained, _ = train(net, optimizer)
    assert_equal_to_numpy(trained, in_numpy(net, lambda: adam(0.1)))


def test_a_flat_optimizer_cannot_be_strict() -> None:
    with pytest.raises(ValueError, match="Cannot set `flatten=True` in strict mode"):
        opax.adam(RATE)(pax.Linear(3, 2).parameters(), flatten=True, strict=True)


def test_the_learning_rate_of_a_schedule_can_be_read() -> None:
    net = pax.Linear(3, 2)
    optimizer = opax.sgd(HALVING)(net.parameters())
    np.testing.assert_allclose(optimizer[-1].learning_rate, 0.2, rtol=1e-6)
    _, optimizer = in_jit(net, optimizer)
    np.testing.assert_allclose(optimizer[-1].learning_rate, 0.2 / 8, rtol=1e-6)


def test_gradients_that_are_not_finite_may_be_skipped() -> None:
    net = pax.Linear(3, 2)
    optimizer = opax.adam(RATE)(net.parameters())
    grads = pax.grad(lambda net: jnp.sum(net.weight**2))(net)
    step = jax.jit(opax.apply_gradients)
    skipped = step(net, optimizer, grads.map(lambda g: g * jnp.nan), jnp.array(False))
    for a, b in zip(jax.tree.leaves(skipped), jax.tree.leaves((net, optimizer)), strict=True):
        np.testing.assert_array_equal(a, b)
    taken = step(net, optimizer, grads, jnp.array(True))
    plain = opax.apply_gradients(net, optimizer, grads)
    for a, b in zip(jax.tree.leaves(taken), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_noisy_gradients_of_each_example() -> None:
    net, (xs, ys) = pax.Linear(3, 2), batches()
    each = jax.vmap(pax.grad(lambda net, x, y: jnp.mean((net(x) - y) ** 2)), (None, 0, 0))
    grads = each(net, xs[0], ys[0])
    make = opax.differentially_private_aggregate(1e3, noise_multiplier=0.0, seed=3)
    updates, optimizer = opax.transform_gradients(grads, make(net.parameters()), net.parameters())
    np.testing.assert_allclose(updates.weight, grads.weight.mean(0), rtol=1e-4, atol=1e-6)
    assert (optimizer.rng_key != jax.random.PRNGKey(3)).any()


CLIPPED: dict[str, tuple[Any, Callable[[list[np.ndarray]], list[np.ndarray]]]] = {
    "clip": (opax.clip(0.3), lambda grads: [np.clip(g, -0.3, 0.3) for g in grads]),
    "clip_by_global_norm": (
        opax.clip_by_global_norm(0.5),
        lambda grads: [g * min(1.0, 0.5 / norm(grads)) for g in grads],
    ),
}


def norm(grads: list[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(g**2) for g in grads)))


@pytest.mark.usefixtures("former_clip")
@pytest.mark.parametrize(
    ("name", "train"), [("clip", in_jit), ("clip", in_scan), ("clip_by_global_norm", in_jit)]
)
def test_clipping(name: str, train: Any) -> None:
    make, clipped = CLIPPED[name]
    net = pax.Linear(3, 2)
    trained, optimizer = train(net, opax.chain(make, opax.sgd(RATE))(net.parameters()))
    params = [np.asarray(p, np.float64) for p in (net.weight, net.bias)]
    rules = [sgd(), sgd()]
    norms = []
    for n, (x, y) in enumerate(zip(*batches(), strict=True), 1):
        error = x.astype(np.float64) @ params[0] + params[1] - y
        grads = [2 * x.T @ error / error.size, 2 * error.sum(0) / error.size]
        norms.append(norm(grads))
        zipped = zip(rules, params, clipped(grads), strict=True)
        params = [p - rule(g, p, n) for rule, p, g in zipped]
    assert_equal_to_numpy(trained, params)
    assert min(norms) > 0.5
    if name == "clip_by_global_norm":
        np.testing.assert_allclose(optimizer[0].global_norm, norms[-1], rtol=1e-4)


@pytest.mark.usefixtures("former_clip")
def test_a_schedule_with_a_floor() -> None:
    net = pax.Linear(3, 2)
    trained, optimizer = in_jit(net, opax.sgd(FLOORED, 0.5)(net.parameters()))
    rate = [max(0.2 * 3.0 ** (-n / 2), 0.05) for n in range(STEPS + 1)]
    assert_equal_to_numpy(trained, in_numpy(net, lambda: sgd(0.5, lambda n: rate[n])))
    np.testing.assert_allclose(optimizer[-1].learning_rate, 0.05, rtol=1e-6)


def test_without_the_former_names_jax_says_so() -> None:
    """When this fails, JAX or opax has changed, and `former_clip` and the docs can go."""
    net = pax.Linear(3, 2)
    optimizer = opax.clip(0.3)(net.parameters())
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'a_m"):
        pax.purecall(optimizer, net.parameters())
