"""Layers called with weights made of those they hold: values, state, names, errors."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.counting import count_compilations
from tests.nn.bad import Bad, each
from tests.nn.run import called, trained

WRAPPERS = [pax.WeightNorm, pax.SpectralNorm, pax.WeightStandardization]
slow = functools.partial(pytest.param, marks=pytest.mark.slow)
each_wrapper = pytest.mark.parametrize("wrap", WRAPPERS, ids=lambda wrap: wrap.__name__)
X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


def linear(weight: Any) -> Any:
    """Returns a dense layer of this weight."""
    weight = jnp.asarray(weight, jnp.float32)
    return pax.Linear(*weight.shape, with_bias=False).replace(weight=weight)


def one_place(x: Any) -> Any:
    """Returns rows as sequences of length 1."""
    return x[:, None]


def network() -> Any:
    """Returns two dense layers, with state between them."""
    return pax.Sequential(
        pax.Linear(4, 6),
        pax.Dropout(0.5),
        one_place,
        pax.BatchNorm1D(6),
        pax.Linear(6, 2),
    )


def test_weight_norm_by_hand() -> None:
    net = pax.WeightNorm(linear([[3.0, 0.0], [4.0, 2.0]]))
    np.testing.assert_array_equal(net.scales["weight"], [5.0, 2.0])
    np.testing.assert_allclose(called(net, np.eye(2, dtype=np.float32)), [[3, 0], [4, 2]])
    net = net.replace(scales={"weight": jnp.array([10.0, 1.0])})
    np.testing.assert_allclose(called(net, np.eye(2, dtype=np.float32)), [[6, 0], [8, 1]])


def test_weight_standardization_by_hand() -> None:
    net = pax.WeightStandardization(linear([[1.0, 0.0], [5.0, 8.0]]), eps=5.0)
    # deviations 2 and 4: sqrt(4 + 5) = 3, sqrt(16 + 5)
    y, side = called(net, np.eye(2, dtype=np.float32)), 4 / 21**0.5
    np.testing.assert_allclose(y, [[-2 / 3, -side], [2 / 3, side]], rtol=1e-6)


def test_spectral_norm_by_hand() -> None:
    net = pax.SpectralNorm(linear([[1.0, 0.0], [0.0, 4.0]]))
    assert np.abs(net.u["weight"]).round(6).tolist() == [0.0, 1.0]  # after its first steps
    net = net.replace(v={"weight": jnp.array([0.8, 0.6])})
    net, y = trained(net, np.eye(2, dtype=np.float32))
    # u = M v / |M v| for M = weight^T: (0.8, 2.4) of length 2.53; then v likewise
    u = np.array([0.8, 2.4]) / 6.4**0.5
    v = np.array([u[0], 4 * u[1]]) / (u[0] ** 2 + 16 * u[1] ** 2) ** 0.5
    np.testing.assert_allclose(net.u["weight"], u, rtol=1e-6)
    np.testing.assert_allclose(net.v["weight"], v, rtol=1e-6)
    np.testing.assert_allclose(y, np.diag([1.0, 4.0]) / (u[0] * v[0] + 4 * u[1] * v[1]), rtol=1e-6)


@each_wrapper
def test_the_layer_keeps_its_array_and_unwrap_gives_the_other(wrap: Any) -> None:
    layer = pax.Linear(4, 3)
    net = wrap(layer).eval()
    if wrap is pax.WeightNorm:
        net = net.replace(scales={"weight": jnp.array([1.0, 2.0, 3.0])})
    assert net.layer.weight is layer.weight
    plain = net.unwrap()
    assert type(plain) is pax.Linear
    assert np.abs(plain.weight - layer.weight).max() > 1e-3
    np.testing.assert_allclose(called(plain, X), called(net, X), rtol=1e-6)


@pytest.mark.parametrize("wrap", [pax.WeightNorm, *map(slow, WRAPPERS[1:])])
def test_only_the_chosen_weights_are_made(wrap: Any) -> None:
    net = network()
    plain = wrap(net, weights="*.0.weight").unwrap()
    assert plain[4].weight is net[4].weight
    assert plain[0].bias is net[0].bias
    assert plain[0].weight is not net[0].weight
    assert wrap(net).unwrap()[4].weight is not net[4].weight


@each_wrapper
def test_a_large_weight_changes_the_call_no_more(wrap: Any) -> None:
    layer = pax.Linear(4, 3)
    net = wrap(layer).eval()
    larger = net.replace(layer=net.layer.replace(weight=8 * layer.weight))
    np.testing.assert_allclose(called(larger, X), called(net, X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrap", [pax.WeightNorm, *map(slow, WRAPPERS[1:])])
def test_state_of_the_layer_goes_on(wrap: Any) -> None:
    net = wrap(network())
    after, _ = trained(net, X)
    _, dropout, _, norm, _ = after.layer.modules
    assert (dropout.rng_key != net.layer[1].rng_key).any()
    assert norm.ema_mean.debias == 0.0
    assert (norm.ema_mean.averages != 0).any()
    for x, y in zip(*map(jax.tree.leaves, (after.parameters(), net.parameters())), strict=True):
        np.testing.assert_array_equal(x, y)


def test_an_error_names_the_way_through_the_wrapper() -> None:
    net = pax.Sequential(pax.WeightNorm(network().eval()))
    with pytest.raises(pax.ShapeError) as raised:
        net(X[:, :3])
    assert raised.value.path == "model.modules.0.layer.modules.0"


def test_the_state_of_the_layer_is_refused_with_its_path() -> None:
    with pytest.raises(pax.PurityError) as raised:
        pax.WeightNorm(network())(X)
    assert raised.value.path == "model.layer.modules.1"


def test_spectral_norm_finds_the_largest_singular_value() -> None:
    layer = pax.Conv2D(3, 8, 3)
    net = pax.SpectralNorm(layer)
    largest = np.linalg.norm(np.asarray(layer.weight).reshape(-1, 8), 2)
    started = net.unwrap().weight * largest / layer.weight  # 1 where the steps have converged
    np.testing.assert_allclose(started, 1.0, atol=0.05)
    step = jax.jit(lambda net, x: pax.purecall(net, x)[0])
    for _ in range(60):
        net = step(net, np.zeros((1, 3, 3, 3), np.float32))
    np.testing.assert_allclose(net.unwrap().weight, layer.weight / largest, rtol=1e-4)


def test_spectral_norm_of_traced_weights_starts_alike() -> None:
    def make(key: Any) -> Any:
        return pax.SpectralNorm(pax.Linear(4, 3, rng_key=key), rng_key=key)

    key = jax.random.PRNGKey(3)
    found, expected = jax.jit(make)(key), make(key)
    for name in ("u", "v"):
        x, y = getattr(found, name)["weight"], getattr(expected, name)["weight"]
        np.testing.assert_allclose(x, y, atol=1e-5)
    traced = jax.jit(lambda key: pax.WeightNorm(pax.Linear(4, 3, rng_key=key)))(key)
    lengths = pax.WeightNorm(pax.Linear(4, 3, rng_key=key)).scales["weight"]
    np.testing.assert_allclose(traced.scales["weight"], lengths, rtol=1e-6)


@each_wrapper
def test_wrapping_compiles_nothing(wrap: Any) -> None:
    keyed = {"rng_key": jax.random.PRNGKey(0)} if wrap is pax.SpectralNorm else {}
    wrap(pax.Linear(4, 3), **keyed)  # what draws numbers is compiled now
    layer = pax.Linear(7, 5)
    with count_compilations() as compilations:
        wrap(layer, **keyed)
    assert compilations.count == 0


@each_wrapper
def test_in_a_stack_and_recomputed(wrap: Any) -> None:
    def make() -> Any:
        return wrap(pax.Linear(4, 4)).eval()

    blocks = pax.Stack(make, 3, remat=True)
    expected = X
    for block in blocks:
        expected = called(block, expected)
    np.testing.assert_allclose(called(blocks, X), expected, rtol=1e-5)


@pytest.mark.parametrize("wrap", WRAPPERS[:2], ids=lambda wrap: wrap.__name__)
def test_under_the_default_policy_lengths_and_vectors_stay_whole(wrap: Any) -> None:
    net = wrap(pax.Linear(4, 3))
    half = net.apply(pax.experimental.default_mp_policy)
    (after, y), (expected, y_expected) = trained(half, X), trained(net, X)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(y, np.float32), y_expected, rtol=0.02, atol=0.02)
    for found, leaf in zip(jax.tree.leaves(after), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(found, leaf)


def test_state_dict() -> None:
    net = pax.SpectralNorm(network(), weights="modules.*.weight")
    state = net.state_dict()
    assert list(state) == ["layer", "u", "v"]
    assert list(state["u"]) == ["modules.0.weight", "modules.4.weight"]
    loaded = pax.SpectralNorm(network(), weights="modules.*.weight").load_state_dict(state)
    assert loaded == net


def test_summary() -> None:
    net = pax.Sequential(pax.SpectralNorm(pax.Linear(2, 3), num_steps=2), jax.nn.relu)
    assert net.summary() == (
        "Sequential\n"
        "├── SpectralNorm(weights=**.weight, axis=-1, num_steps=2)\n"
        "│   └── Linear(in_dim=2, out_dim=3, with_bias=True)\n"
        "└── x => relu(x)"
    )
    assert repr(pax.WeightNorm(pax.Linear(2, 3), axis=None, name="wn")) == (
        "(wn) WeightNorm(weights=**.weight)"
    )


def wrapper(wrap: Any, layer: Any, **options: Any) -> Any:
    """Returns what wraps a layer."""
    return lambda: wrap(layer(), **options)


def dead(column: int) -> Any:
    """Returns a layer of which one output, or all, have no weight."""
    return linear(np.ones((2, 3)) * (np.arange(3) < column))


class Restless(pax.Module):
    """Assigns its own weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = jnp.ones((2, 2))

    def __call__(self, x: Any) -> Any:
        self.weight = self.weight + x
        return x


def test_a_weight_that_the_layer_assigns_cannot_be_made_of_another() -> None:
    with pytest.raises(pax.PurityError) as raised:
        pax.purecall(pax.WeightNorm(Restless()), jnp.ones(()))
    assert str(raised.value) == (
        "WeightNorm(weights=**.weight, axis=-1): the layer assigned weight, which is made of "
        "another array at each call.\n  at: model\n"
        "  fix: leave it out of weights, a glob over the paths of the layer."
    )


@pytest.mark.parametrize("wrap", [pax.WeightNorm, pax.SpectralNorm])
def test_a_layer_put_in_place_has_its_weights_where_the_first_had(wrap: Any) -> None:
    net = wrap(pax.Linear(2, 2)).eval()
    other = net.replace(layer=pax.Sequential(pax.Linear(2, 2)))
    for use in (lambda: other(jnp.ones((1, 2))), other.unwrap):
        with pytest.raises(pax.StructureError) as raised:
            use()
        assert str(raised.value).replace("\n  at: model", "") == (
            f"{net!r} was built for weight; its layer now has modules.0.weight.\n"
            f"  fix: wrap the other layer anew: pax.{wrap.__name__}(layer)."
        )


def test_beside_a_stack_a_weight_may_be_chosen() -> None:
    layers = pax.Sequential(pax.Linear(4, 4), pax.Stack(lambda: pax.Linear(4, 4), 2))
    assert set(pax.WeightNorm(layers, weights="modules.0.weight").scales) == {"modules.0.weight"}


@each(
    Bad(
        wrapper(pax.SpectralNorm, lambda: pax.Sequential(pax.Stack(lambda: pax.Linear(4, 4), 2))),
        pax.ArgumentError,
        "SpectralNorm got modules.0.stacked.weight, the weights of all layers of a "
        "Stack(num_layers=2) as one.",
        "wrap each layer: pax.Stack(lambda: pax.SpectralNorm(pax.Linear(4, 4)), 12).",
    ),
    Bad(
        wrapper(pax.WeightNorm, lambda: pax.Stack(lambda: pax.Linear(4, 4), 2)),
        pax.ArgumentError,
        "WeightNorm got stacked.weight, the weights of all layers of a Stack(num_layers=2) as one.",
        "wrap each layer: pax.Stack(lambda: pax.WeightNorm(pax.Linear(4, 4)), 12).",
    ),
    Bad(
        wrapper(pax.WeightNorm, lambda: [pax.Linear(2, 3)]),
        pax.ArgumentError,
        "WeightNorm got [Linear(in_dim=2, out_dim=3, with_bias=True)] as layer; expected a module "
        "that can be called.",
        "build the layer first: pax.WeightNorm(pax.Linear(3, 4)).",
    ),
    Bad(
        wrapper(pax.SpectralNorm, lambda: pax.Linear(2, 3), weights=["weight"]),
        pax.ArgumentError,
        "SpectralNorm got weights=['weight']; expected a glob over paths.",
        'write weights="**.weight" for all weights of the layer.',
    ),
    Bad(
        wrapper(pax.WeightNorm, lambda: pax.Linear(2, 3), weights="kernel"),
        pax.ArgumentError,
        "WeightNorm found no array at 'kernel' in Linear(in_dim=2, out_dim=3, with_bias=True), "
        "which has weight, bias.",
        "choose them by weights, a glob over these paths.",
    ),
    Bad(
        wrapper(pax.WeightNorm, lambda: pax.Linear(2, 3), weights="*"),
        pax.ArgumentError,
        "WeightNorm got bias, float32 of shape (3,); expected floating arrays with two axes at "
        "least.",
        "choose others by weights, a glob over the paths of the layer.",
    ),
    Bad(
        wrapper(pax.SpectralNorm, lambda: pax.Linear(2, 3), axis=2),
        pax.ArgumentError,
        "SpectralNorm got axis=2 for weight of shape (2, 3).",
        "name the axis of the outputs, axis=-1 in most layers.",
    ),
    Bad(
        wrapper(pax.SpectralNorm, lambda: pax.Linear(2, 3), axis=None),
        pax.ArgumentError,
        "SpectralNorm got axis=None; expected an integer.",
        "write axis=-1, the axis of the outputs in most layers.",
    ),
    Bad(
        wrapper(pax.WeightNorm, lambda: dead(2)),
        pax.ArgumentError,
        "WeightNorm got weight, which holds zeros only for some of its outputs; they have no "
        "direction.",
        "draw it by an initializer that is not zero, or leave it out of weights.",
    ),
    Bad(
        wrapper(pax.SpectralNorm, lambda: pax.Sequential(dead(0))),
        pax.ArgumentError,
        "SpectralNorm got modules.0.weight, which holds zeros only; they have no direction.",
        "draw it by an initializer that is not zero, or leave it out of weights.",
    ),
    Bad(
        wrapper(pax.SpectralNorm, lambda: pax.Linear(2, 3), num_steps=0),
        pax.ArgumentError,
        "SpectralNorm got num_steps=0; expected an integer of at least 1.",
        "set num_steps to a positive integer.",
    ),
    Bad(
        wrapper(pax.WeightStandardization, lambda: pax.Linear(1, 3)),
        pax.ArgumentError,
        "WeightStandardization got weight of shape (1, 3): one entry for each output, which is its "
        "own mean, so that nothing of it would be left.",
        "leave it out of weights, or name the axis of the outputs.",
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
