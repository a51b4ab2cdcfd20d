"""Group normalisation: numbers by hand, scale and offset, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called

BARE: dict[str, Any] = {"create_scale": False, "create_offset": False}


def test_by_hand() -> None:
    norm = pax.GroupNorm(2, 4, eps=7.0).replace(
        scale=jnp.array([1.0, 2.0, 3.0, 4.0]), offset=jnp.array([0.0, 0.0, 0.5, 0.0])
    )
    # each pair of channels has a mean in the middle and variance 9; sqrt(9 + 7) = 4
    y = called(norm, jnp.array([[0.0, 6.0, 106.0, 100.0]]))
    np.testing.assert_allclose(y, [[-0.75, 1.5, 2.75, -3.0]], rtol=1e-6)


def test_over_time_only_the_channels_are_apart() -> None:
    # without the channel axis among the axes, every channel has a mean of its own
    norm = pax.GroupNorm(1, 2, axis=1, eps=7.0, **BARE)
    y = called(norm, jnp.array([[[0.0, 100.0], [6.0, 106.0]]]))
    np.testing.assert_allclose(y, [[[-0.75, -0.75], [0.75, 0.75]]], rtol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_first", "NC..."])
def test_channels_first_scales_the_channels(data_format: str) -> None:
    norm = pax.GroupNorm(1, 2, eps=7.0, data_format=data_format)
    norm = norm.replace(scale=jnp.array([1.0, 2.0]))
    y = called(norm, jnp.array([[[0.0, 6.0, 6.0], [6.0, 0.0, 0.0]]]))
    np.testing.assert_allclose(y, [[[-0.75, 0.75, 0.75], [1.5, -1.5, -1.5]]], rtol=1e-6)


def test_initial_values() -> None:
    norm = pax.GroupNorm(2, 4)
    np.testing.assert_array_equal([norm.scale, norm.offset], [np.ones(4), np.zeros(4)])
    key, init = jax.random.PRNGKey(3), pax.initializers.normal(1.0)
    norm = pax.GroupNorm(2, 4, scale_init=init, offset_init=init, rng_key=key)
    scale_key, offset_key = jax.random.split(key)
    np.testing.assert_array_equal(norm.scale, init(scale_key, (4,)))
    np.testing.assert_array_equal(norm.offset, init(offset_key, (4,)))


def test_parts_that_are_switched_off_are_none() -> None:
    norm = pax.GroupNorm(2, 4, **BARE)
    assert (norm.scale, norm.offset) == (None, None)
    assert jax.tree.leaves(norm) == []


def test_as_many_groups_as_channels_and_one() -> None:
    x = np.random.default_rng(0).standard_normal((2, 6, 4)).astype(np.float32)
    exact = x.astype(np.float64)
    for groups, axes in ((4, 1), (1, (1, 2))):
        mean, deviation = (f(exact, axes, keepdims=True) for f in (np.mean, np.std))
        y = called(pax.GroupNorm(groups, 4, eps=1e-8), x)
        np.testing.assert_allclose(y, (exact - mean) / deviation, rtol=1e-5, atol=1e-5)


def test_a_large_mean_costs_no_digits() -> None:
    x = 1e4 + np.random.default_rng(0).standard_normal((2, 64, 4)).astype(np.float32)
    exact = x.astype(np.float64).reshape(2, 64, 2, 2)
    mean, deviation = (f(exact, (1, 3), keepdims=True) for f in (np.mean, np.std))
    y = called(pax.GroupNorm(2, 4, eps=1e-8), x)
    expected = ((exact - mean) / deviation).reshape(x.shape)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_edge_shapes() -> None:
    assert called(pax.GroupNorm(2, 4), jnp.zeros((0, 5, 4))).shape == (0, 5, 4)
    np.testing.assert_array_equal(called(pax.GroupNorm(1, 1), jnp.ones((2, 1))), [[0], [0]])


def test_printed_form() -> None:
    assert repr(pax.GroupNorm(2, 4, data_format="NC...", name="gn")) == (
        "(gn) GroupNorm(groups=2, num_channels=4, create_scale=True, create_offset=True, "
        "data_format=NC...)"
    )


def group_norm(**options: Any) -> Any:
    """Returns what makes a layer."""
    return lambda: pax.GroupNorm(**({"groups": 2, "num_channels": 4} | options))


TEXT = (
    "GroupNorm(groups=2, num_channels=4, create_scale=True, create_offset=True, "
    "data_format=channels_last)"
)
FIRST, BARE_TEXT = TEXT.replace("last", "first"), TEXT.replace("True", "False")
X = np.zeros((2, 3, 4), np.float32)


@each(
    Bad(
        group_norm(groups=3),
        pax.ArgumentError,
        "GroupNorm got groups=3, which does not divide num_channels=4.",
        "choose a number of groups that divides the channels.",
    ),
    Bad(
        group_norm(groups=0),
        pax.ArgumentError,
        "GroupNorm got groups=0; expected an integer of at least 1.",
        "set groups to a positive integer.",
    ),
    Bad(
        group_norm(num_channels=-4),
        pax.ArgumentError,
        "GroupNorm got num_channels=-4; expected an integer of at least 1.",
        "set num_channels to a positive integer.",
    ),
    Bad(
        lambda: pax.GroupNorm(2, 4, -1, True, "zeros"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "GroupNorm got create_offset of type str; expected True or False.",
        "write create_offset=True, and name the arguments after it.",
    ),
    Bad(
        group_norm(eps=0),
        pax.ArgumentError,
        "GroupNorm got eps=0; expected a positive number.",
        "set eps to a positive number.",
    ),
    Bad(
        group_norm(axis="time"),
        pax.ArgumentError,
        "GroupNorm got axis='time'; expected an int, a slice, or a sequence of ints.",
        "write axis=-1 for the last axis, or axis=slice(1, None) for all but the first.",
    ),
    Bad(
        group_norm(data_format="NHWC"),
        pax.ArgumentError,
        "GroupNorm got data_format='NHWC'; expected one of 'channels_last', 'channels_first', "
        "'N...C', 'NC...'.",
        "write data_format='channels_last'.",
    ),
    Bad(
        group_norm(create_offset=False, offset_init=jax.nn.initializers.ones),
        pax.ArgumentError,
        "GroupNorm got offset_init although create_offset is False.",
        "leave offset_init out, or set create_offset=True.",
    ),
    Bad(
        group_norm(),
        pax.DtypeError,
        f"{TEXT} got input of type list; expected an array.",
        "convert it first: jnp.asarray(x).",
        ([[1.0]],),
    ),
    Bad(
        group_norm(),
        pax.DtypeError,
        f"{TEXT} got input of dtype uint8; expected a floating dtype.",
        "convert the bytes of an image first: x.astype(jnp.float32) / 255.",
        (X.astype(np.uint8),),
    ),
    Bad(
        group_norm(),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 4, 3); expected 4 channels, channels_last.",
        "build it with the num_channels and data_format of the input.",
        (X.swapaxes(1, 2),),
    ),
    Bad(
        group_norm(data_format="channels_first"),
        pax.ShapeError,
        f"{FIRST} got input of shape (2, 3, 4); expected 4 channels, channels_first.",
        "build it with the num_channels and data_format of the input.",
        (X,),
    ),
    Bad(
        group_norm(),
        pax.ShapeError,
        f"{TEXT} got input of shape (4,); expected 4 channels, channels_last.",
        "build it with the num_channels and data_format of the input.",
        (X[0, 0],),
    ),
    Bad(
        group_norm(axis=3),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 3, 4), which has no axes 3.",
        "choose axes that the input has.",
        (X,),
    ),
    Bad(
        group_norm(),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 0, 4), which is empty along the axes to normalise over "
        "and has no mean there.",
        "leave empty inputs out.",
        (X[:, :0],),
    ),
    Bad(
        group_norm(),
        pax.ArgumentError,
        f"{TEXT} got scale at the call although it has its own.",
        "build it with create_scale=False, or leave scale out.",
        (X, X),
    ),
    Bad(
        group_norm(**BARE),
        pax.ShapeError,
        f"{BARE_TEXT} got offset of shape (3,) for input of shape (2, 3, 4); expected a shape "
        "that broadcasts to the input's.",
        "give one value for each channel, reshaped to the axes of the input.",
        (X, None, X[0, :, 0]),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
