"""Lazy modules: made at the first call, and from then on like any other."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax._core import rng
from tests.core.samples import same_leaves

X = jnp.asarray(np.random.default_rng(0).standard_normal((4, 3), np.float32))


class Dense(pax.experimental.LazyModule):
    """A linear map that learns the number of its inputs from the first one."""

    fc: Any

    def __init__(self, out_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.out_dim = out_dim

    def __call__(self, x: jax.Array) -> jax.Array:
        fc = self.get_or_create("fc", lambda: pax.Linear(x.shape[-1], self.out_dim))
        return fc(x)

    def __repr__(self) -> str:
        return self._repr({"out_dim": self.out_dim})


class Block(pax.experimental.LazyModule):
    """Makes layers with state, in a list that holds a function too."""

    layers: Any

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.get_or_create("layers", self.make):
            x = layer(x)
        return x * self.get_or_create("scale", lambda: jnp.full((1, 1), 2.0))

    def make(self) -> list[Any]:
        return [Dense(5), jax.nn.relu, pax.Dropout(0.5), Tick()]


class Tick(pax.StateModule):
    """Counts its calls, whatever the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.count = jnp.asarray(0, jnp.int32)

    def __call__(self, x: jax.Array) -> jax.Array:
        self.count = self.count + 1
        return x


@pytest.fixture
def grown() -> Dense:
    """A lazy module after its first call."""
    return pax.purecall(Dense(2), X)[0]


@pytest.fixture
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a key drawn in a trace warn, as if none had been before."""
    monkeypatch.setattr(rng, "_warned", threading.Event())


def test_the_first_call_makes_the_part_and_later_ones_find_it() -> None:
    lazy = Dense(2)
    grown, y = pax.purecall(lazy, X)
    assert not hasattr(lazy, "fc")
    assert (grown.fc.in_dim, grown.fc.out_dim) == (3, 2)
    assert grown.pytree_attributes == ("fc",)
    np.testing.assert_allclose(y, X @ grown.fc.weight + grown.fc.bias[None], rtol=1e-5)
    again, z = pax.purecall(grown, X)
    assert again == grown
    np.testing.assert_array_equal(y, z)
    np.testing.assert_array_equal(y, grown(X))


def test_the_operator_makes_it_too() -> None:
    grown, y = Dense(2) % X
    np.testing.assert_array_equal(y, grown(X))


def test_a_first_call_outside_pure_says_what_to_write() -> None:
    pax.seed_rng_key(1)
    with pytest.raises(pax.PurityError) as raised:
        pax.Sequential(Dense(2))(X)
    assert str(raised.value) == (
        "Dense creates `fc` at its first call, and this call may not change it.\n"
        "  at: model.modules.0\n"
        "  fix: make the first call of the whole model pure, and keep the model that comes back: "
        "`net, _ = pax.purecall(net, x)`."
    )
    assert isinstance(raised.value, ValueError)
    drawn = pax.next_rng_key()  # nothing was drawn by the call that failed
    pax.seed_rng_key(1)
    np.testing.assert_array_equal(drawn, pax.next_rng_key())


@pytest.mark.usefixtures("unwarned")
def test_a_first_call_in_an_inner_trace_is_refused_before_anything_is_drawn() -> None:
    def run(lazy: Dense) -> Any:
        return jax.jit(lambda x: lazy(x))(X)

    with pytest.raises(pax.PurityError) as raised:  # a key drawn in the trace would warn
        pax.pure(run)(Dense(2))
    assert str(raised.value).startswith(
        "setting `fc` of Dense was tried inside a JAX transformation (jit, grad, vmap, scan, ...) "
        "that began after `pax.pure`; the traced value would leak out of it."
    )


def test_parts_may_be_made_in_the_constructor_and_by_other_methods() -> None:
    class Net(pax.experimental.LazyModule):
        def __init__(self) -> None:
            super().__init__()
            self.get_or_create("first", lambda: pax.Linear(2, 3))

        def encode(self, x: jax.Array) -> jax.Array:
            return self.get_or_create("second", lambda: pax.Linear(3, x.shape[-1]))(x)

    net, _ = pax.module_and_value(Net().encode)(X)
    assert [type(m) for m in net.submodules()] == [pax.Linear, pax.Linear]


@pytest.mark.usefixtures("unwarned")
def test_a_jitted_first_call_returns_the_grown_module() -> None:
    lazy = Dense(2)
    with pytest.warns(UserWarning, match=r"becomes a constant of the compiled function"):
        grown, y = jax.jit(pax.purecall)(lazy, X)
    assert grown.fc.weight.shape == (3, 2)
    assert not hasattr(lazy, "fc")
    np.testing.assert_allclose(y, grown(X), rtol=1e-5)
    jax.jit(pax.purecall)(Dense(5), X)  # it warns once


def test_shapes_alone() -> None:
    grown, y = jax.eval_shape(keyed, jax.random.key(0), X)
    assert (grown.fc.weight.shape, grown.fc.bias.shape, y.shape) == ((3, 2), (2,), (4, 2))
    assert all(isinstance(x, jax.ShapeDtypeStruct) for x in jax.tree.leaves(grown))


def keyed(key: Any, x: jax.Array) -> Any:
    """Calls a lazy module whose part is made from a given key."""

    class Keyed(pax.experimental.LazyModule):
        def __call__(self, x: jax.Array) -> jax.Array:
            make = lambda: pax.Linear(x.shape[-1], 2, rng_key=key)  # noqa: E731
            return self.get_or_create("fc", make)(x)

    return pax.purecall(Keyed(), x)


def test_parts_are_trainable(grown: Dense) -> None:
    assert same_leaves(grown.parameters(), grown.fc)
    assert not jax.tree.leaves(Dense(2).parameters())
    loss = jax.jit(pax.value_and_grad(lambda net, x: (net(x) ** 2).sum()))
    for _ in range(3):
        before, grads = loss(grown, X)
        grown = grown.update_parameters(grown.map(lambda w, g: w - 0.01 * g, grads))
        assert loss(grown, X)[0] < before


@pytest.mark.filterwarnings("ignore:pax.next_rng_key")
def test_a_gradient_of_the_first_call_returns_the_grown_module() -> None:
    def loss(net: Any, x: jax.Array) -> Any:
        net, y = pax.purecall(net, x)
        return (y**2).sum(), net

    grads, grown = pax.grad(loss, has_aux=True)(Dense(2), X)
    assert not jax.tree.leaves(grads)
    assert grown(X).shape == (4, 2)


def test_one_trace_and_a_loop(grown: Dense) -> None:
    traces, y = 0, X

    @jax.jit
    def step(net: Dense, x: jax.Array) -> Any:
        nonlocal traces
        traces += 1
        return pax.purecall(net, x)

    for _ in range(10):
        grown, y = step(grown, X)
    assert traces == 1
    _, ys = jax.lax.scan(pax.purecall, grown, jnp.stack([X] * 3))
    np.testing.assert_allclose(ys, jnp.stack([y] * 3), rtol=1e-6)


def test_parts_with_state_change_in_the_first_call_and_the_later_ones() -> None:
    net, _ = pax.purecall(Block(), X)
    key = net.layers[2].rng_key
    assert int(net.layers[3].count) == 1
    net, y = pax.purecall(net, X)
    assert int(net.layers[3].count) == 2
    assert (net.layers[2].rng_key != key).any()
    assert y.shape == (4, 5)
    assert len(jax.tree.leaves(net.parameters())) == 2  # the scale is an array of its own


def test_parts_take_the_mode_of_the_module() -> None:
    net, _ = pax.purecall(pax.Sequential(Block()).eval(), X)
    assert not any(m.training for m in [net[0], *net[0].submodules(), net[0].layers[0].fc])
    assert int(net[0].layers[3].count) == 1  # what changes in every mode changed
    assert [m.training for m in net.train()[0].submodules()] == [True] * 3
    np.testing.assert_array_equal(net.train().eval()[0].layers[0](X), net[0].layers[0](X))


def test_freezing_before_and_after(grown: Dense) -> None:
    assert not jax.tree.leaves(pax.freeze_parameters(grown).parameters())
    frozen, _ = pax.purecall(pax.freeze_parameters(Dense(2)), X)
    assert frozen.fc.weight.shape == (3, 2)
    assert not jax.tree.leaves(frozen.parameters())
    assert pax.unfreeze_parameters(pax.freeze_parameters(grown), origin=grown) == grown


def test_state_dict(grown: Dense) -> None:
    state = grown.state_dict()
    assert sorted(state["fc"]) == ["bias", "weight"]
    other, _ = pax.purecall(Dense(2), X)
    assert other.load_state_dict(state) == grown
    with pytest.raises(pax.StructureError, match=r"fc: unknown"):
        Dense(2).load_state_dict(state)


@pytest.mark.parametrize("grow", [False, True])
def test_copies_and_pickles(grow: bool) -> None:
    net = pax.purecall(Dense(2), X)[0] if grow else Dense(2)
    for copied in (net.copy(), copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert jax.tree.structure(copied) == jax.tree.structure(net)
        after, y = pax.purecall(copied, X)
        assert (after.fc.in_dim, y.shape) == (3, (4, 2))
        if grow:
            np.testing.assert_array_equal(y, net(X))


def test_printed_form(grown: Dense) -> None:
    assert Dense(2, name="fc").summary() == "(fc) Dense(out_dim=2)"
    assert grown.summary() == ("Dense(out_dim=2)\n└── Linear(in_dim=3, out_dim=2, with_bias=True)")


def test_own_arrays_are_trained_if_the_class_says_so() -> None:
    class Scale(pax.experimental.LazyModule):
        parameters = pax.parameters_method("scale")

        def __init__(self) -> None:
            super().__init__()
            self.scale = None

        def __call__(self, x: jax.Array) -> jax.Array:
            return x * self.get_or_create("scale", lambda: jnp.full((1, x.shape[-1]), 2.0))

    assert not jax.tree.leaves(Scale().parameters())
    net, y = pax.purecall(Scale(), X)
    np.testing.assert_array_equal(y, 2 * X)
    (scale,) = jax.tree.leaves(net.parameters())
    assert scale.shape == (1, 3)


def test_a_dataclass() -> None:
    @dataclasses.dataclass
    class Dense(pax.experimental.LazyModule):
        out_dim: int = 2
        fc: Any = None

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.get_or_create("fc", lambda: pax.Linear(x.shape[-1], self.out_dim))(x)

    net, y = pax.purecall(Dense(5), X)
    assert (net.fc.in_dim, y.shape) == (3, (4, 5))


def test_under_a_policy() -> None:
    class Scale(pax.experimental.LazyModule):
        def __call__(self, x: jax.Array) -> jax.Array:
            return x * self.get_or_create("scale", lambda: jnp.full((1, x.shape[-1]), 2.0, x.dtype))

    lazy = pax.apply_mp_policy(Scale(), pax.Policy(jnp.float32, jnp.bfloat16, jnp.float32))
    net, y = pax.purecall(lazy, X)
    assert (net.scale.dtype, y.dtype) == (jnp.float32, jnp.float32)
    np.testing.assert_array_equal(y, 2 * X.astype(jnp.bfloat16).astype(jnp.float32))
    np.testing.assert_array_equal(net(X), y)
    np.testing.assert_array_equal(pax.unwrap_mp_policy(net)(X), 2 * X)
    with pytest.raises(pax.PurityError, match="Scale creates `scale` at its first call"):
        lazy(X)
