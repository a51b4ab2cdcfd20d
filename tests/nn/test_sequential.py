"""Layers in order: calls, places, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import trained


def doubler() -> pax.Linear:
    """Returns a layer that doubles numbers."""
    return pax.Linear(1, 1, False).replace(weight=jnp.array([[2.0]]))


def add_one(x: Any) -> Any:
    """Adds one."""
    return x + 1


def test_the_layers_are_called_in_order() -> None:
    x = jnp.array([3.0])
    np.testing.assert_array_equal(pax.Sequential(doubler(), add_one)(x), [7.0])
    np.testing.assert_array_equal(pax.Sequential(add_one, doubler())(x), [8.0])


def test_without_layers_the_input_comes_back() -> None:
    x = jnp.array([3.0])
    assert pax.Sequential()(x) is x


def test_state_goes_through() -> None:
    net = pax.Sequential(pax.BatchNorm1D(2), pax.Dropout(0.5))
    after, _ = trained(net, np.random.default_rng(0).standard_normal((3, 4, 2), np.float32))
    assert (after[0].ema_mean.averages != net[0].ema_mean.averages).all()
    assert (after[1].rng_key != net[1].rng_key).any()


def test_places() -> None:
    first, last = doubler(), pax.Identity()
    net = pax.Sequential(first, add_one, last, name="net")
    assert (net[0], net[-1], len(net)) == (first, last, 3)
    assert isinstance(net[1], pax.Lambda)
    assert net[1].func is add_one
    assert list(net) == list(net.modules)
    assert isinstance(net.modules, tuple)


def test_a_slice_is_a_network() -> None:
    net = pax.Sequential(doubler(), add_one, jnp.square, name="net")
    part = net[1:]
    assert repr(part) == "(net) Sequential"
    np.testing.assert_array_equal(part(jnp.array([3.0])), [16.0])


@pytest.mark.parametrize("index", [1, -2])
def test_set(index: int) -> None:
    net = pax.Sequential(doubler(), add_one, doubler())
    changed = net.set(index, jnp.square)
    np.testing.assert_array_equal(changed(jnp.array([3.0])), [72.0])
    np.testing.assert_array_equal(net(jnp.array([3.0])), [14.0])
    assert isinstance(changed[1], pax.Lambda)
    assert changed[0] is net[0]


def test_append() -> None:
    net = pax.Sequential(doubler(), name="net")
    longer = net >> add_one >> pax.Identity()
    np.testing.assert_array_equal(longer(jnp.array([3.0])), [7.0])
    assert (len(net), len(longer), longer.name) == (1, 3, "net")


def test_a_network_without_layers_is_still_true() -> None:
    assert pax.Sequential()


def test_training_reaches_all_layers() -> None:
    net = pax.Sequential(pax.Dropout(0.5), pax.Sequential(pax.BatchNorm1D(2))).eval()
    assert [net.training, net[0].training, net[1][0].training] == [False] * 3


def test_printed_form() -> None:
    net = pax.Sequential(doubler(), pax.Sequential(jax.nn.relu, pax.BatchNorm2D(3)), name="net")
    assert net.summary() == (
        "(net) Sequential\n"
        "├── Linear(in_dim=1, out_dim=1, with_bias=False)\n"
        "└── Sequential\n"
        "    ├── x => relu(x)\n"
        "    └── BatchNorm2D(num_channels=3, create_scale=True, create_offset=True, "
        "decay_rate=0.9, data_format=NHWC)"
    )


ADVICE = (
    "pass modules and functions: pax.Sequential(pax.Linear(2, 3), jax.nn.relu); "
    "spread a list with *layers."
)


@each(
    Bad(
        lambda: pax.Sequential(pax.Linear(2, 3), "relu"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Sequential got a value of type str as layer 1, which cannot be called.",
        ADVICE,
    ),
    Bad(
        lambda: pax.Sequential([pax.Identity()]),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Sequential got a value of type list as layer 0, which cannot be called.",
        ADVICE,
    ),
    Bad(
        lambda: pax.Sequential(pax.RngSeq(1)),
        pax.ArgumentError,
        "Sequential got a value of type RngSeq as layer 0, which cannot be called.",
        ADVICE,
    ),
    Bad(
        lambda: pax.Sequential(pax.Identity()).set(0, None),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Sequential got a value of type NoneType as layer 0, which cannot be called.",
        ADVICE,
    ),
    Bad(
        lambda: pax.Sequential(pax.Identity(), pax.Linear),
        pax.ArgumentError,
        "Sequential got the class Linear as layer 1; expected a module.",
        "build it: Linear(...).",
    ),
    Bad(
        lambda: pax.Sequential(pax.Identity()) >> 3,  # type: ignore[operator]
        pax.ArgumentError,
        "Sequential got a value of type int as layer 1, which cannot be called.",
        ADVICE,
    ),
    Bad(
        lambda: pax.Sequential(pax.Identity()).set(1, jax.nn.relu),
        pax.ArgumentError,
        "Sequential.set got index=1; the network has length 1.",
        "use `sequential >> layer` to append one.",
    ),
    Bad(
        lambda: pax.Sequential(pax.Identity()).set("a", jax.nn.relu),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Sequential.set got index='a'; expected an integer.",
        "write index=1.",
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_an_error_inside_tells_the_place() -> None:
    net = pax.Sequential(pax.Linear(2, 3), pax.Sequential(jax.nn.relu, pax.Linear(4, 5)))
    with pytest.raises(pax.ShapeError) as raised:
        net(jnp.zeros((1, 2)))
    assert str(raised.value) == (
        "Linear(in_dim=4, out_dim=5, with_bias=True) got input of shape (1, 3); "
        "expected (..., 4).\n"
        "  at: model.modules.1.modules.1\n"
        "  fix: the layer before gives 3 features; build this one with in_dim=3."
    )
