"""Instance normalisation: numbers by hand, the group norm that it is, edges, errors."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called


def test_by_hand() -> None:
    norm = pax.InstanceNorm(2, eps=7.0).replace(
        scale=jnp.array([1.0, 4.0]), offset=jnp.array([0.0, 0.5])
    )
    # means 3 and 103 of the first example, -3 and 0 of the second; sqrt(9 + 7) = 4
    x = jnp.array([[[0.0, 100.0], [6.0, 106.0]], [[0.0, 3.0], [-6.0, -3.0]]])
    expected = [[[-0.75, -2.5], [0.75, 3.5]], [[0.75, 3.5], [-0.75, -2.5]]]
    np.testing.assert_allclose(called(norm, x), expected, rtol=1e-6)


@pytest.mark.parametrize("data_format", ["N...C", "channels_first"])
def test_it_is_group_norm_with_a_group_a_channel(data_format: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 4)).astype(np.float32)
    group = pax.GroupNorm(4, 4, data_format=data_format)
    norm = pax.InstanceNorm(4, data_format=data_format)
    np.testing.assert_array_equal(called(norm, x), called(group, x))
    assert isinstance(norm, pax.GroupNorm)


def test_training_and_evaluation_are_the_same() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        called(pax.InstanceNorm(4), x), called(pax.InstanceNorm(4).eval(), x)
    )


def test_edges() -> None:
    assert called(pax.InstanceNorm(4), jnp.zeros((0, 5, 4))).shape == (0, 5, 4)
    np.testing.assert_array_equal(
        called(pax.InstanceNorm(1), jnp.full((1, 2, 1), 1e4)), [[[0]] * 2]
    )


def test_printed_form() -> None:
    assert repr(pax.InstanceNorm(4, False, name="in")) == (
        "(in) InstanceNorm(num_channels=4, create_scale=False, create_offset=True, "
        "data_format=N...C)"
    )


TEXT = "InstanceNorm(num_channels=4, create_scale=True, create_offset=True, data_format=N...C)"


@each(
    Bad(
        lambda: pax.InstanceNorm(-1),
        pax.ArgumentError,
        "InstanceNorm got num_channels=-1; expected an integer of at least 1.",
        "set num_channels to a positive integer.",
    ),
    Bad(
        lambda: pax.InstanceNorm(4, create_scale=1),  # type: ignore[arg-type]
        pax.ArgumentError,
        "InstanceNorm got create_scale of type int; expected True or False.",
        "write create_scale=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.InstanceNorm(4, data_format="NHWC"),
        pax.ArgumentError,
        "InstanceNorm got data_format='NHWC'; expected one of 'channels_last', 'channels_first', "
        "'N...C', 'NC...'.",
        "write data_format='channels_last'.",
    ),
    Bad(
        lambda: pax.InstanceNorm(4),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 4): one place in space, which is its own mean, so that "
        "nothing of it would be left.",
        "give it larger inputs, or use pax.LayerNorm over the channels.",
        (np.zeros((2, 4), np.float32),),
    ),
    Bad(
        lambda: pax.InstanceNorm(4),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 1, 1, 4): one place in space, which is its own mean, so "
        "that nothing of it would be left.",
        "give it larger inputs, or use pax.LayerNorm over the channels.",
        (np.zeros((2, 1, 1, 4), np.float32),),
    ),
    Bad(
        lambda: pax.InstanceNorm(4),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 4, 5); expected 4 channels, N...C.",
        "build it with the num_channels and data_format of the input.",
        (np.zeros((2, 4, 5), np.float32),),
    ),
    Bad(
        lambda: pax.InstanceNorm(4),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 0, 4), which is empty along the axes to normalise over "
        "and has no mean there.",
        "leave empty inputs out.",
        (np.zeros((2, 0, 4), np.float32),),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
