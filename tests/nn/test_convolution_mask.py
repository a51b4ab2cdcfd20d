"""Masks of convolutions: what they hide, that they are no parameters, and where they go."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

MASK = np.array([1, 1, 0], bool).reshape(3, 1, 1)
X = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)


def by_hand(mask: Any = MASK) -> pax.Conv1D:
    """Returns a masked convolution with a kernel whose digits can be told apart."""
    layer = pax.Conv1D(1, 1, 3, mask=mask, with_bias=False)
    return layer.replace(weight=jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1))


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32, np.float16, np.float64])
def test_by_hand(dtype: Any) -> None:
    # the last kernel position sees nothing
    assert by_hand(MASK.astype(dtype))(X).ravel().tolist() == [10, 21, 32, 43]
    half = by_hand((MASK * 0.5).astype(np.float32))(X)
    assert half.ravel().tolist() == [5, 10.5, 16, 21.5]


def test_input_and_output_channels_have_their_own_mask() -> None:
    mask = np.array([[1, 0, 1], [0, 1, 1]])[None]
    layer = pax.Conv1D(2, 3, 1, mask=mask, with_bias=False)
    layer = layer.replace(weight=jnp.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]))
    assert layer(jnp.array([[[1.0, 10.0]]])).ravel().tolist() == [1, 50, 63]


def test_it_is_state_and_no_parameter() -> None:
    layer = by_hand()
    assert [x.shape for x in jax.tree.leaves(layer)] == [(3, 1, 1), (3, 1, 1)]
    assert [x.shape for x in jax.tree.leaves(layer.parameters())] == [(3, 1, 1)]
    assert layer.parameters().mask == pax.EmptyNode()
    assert layer.update_parameters(layer.parameters()) == layer
    assert not jax.tree.leaves(pax.freeze_parameters(layer).parameters())
    thawed = pax.unfreeze_parameters(pax.freeze_parameters(layer), origin=layer)
    assert len(jax.tree.leaves(thawed.parameters())) == 1
    assert pax.Conv1D(1, 1, 3).mask is None


def test_what_is_hidden_has_no_gradient() -> None:
    gradient = pax.grad(lambda layer: layer(X).sum())(by_hand())
    assert gradient.weight.ravel().tolist() == [6, 10, 0]
    assert gradient.mask == pax.EmptyNode()


def test_the_weights_that_a_mask_hides_are_kept() -> None:
    state = by_hand().state_dict()
    np.testing.assert_array_equal(state["mask"], MASK)
    np.testing.assert_array_equal(state["weight"].ravel(), [1, 10, 100])
    other = by_hand(np.zeros_like(MASK)).load_state_dict(state)
    assert other(X).ravel().tolist() == [10, 21, 32, 43]


@pytest.mark.parametrize("dtype", [bool, np.float32])
def test_under_a_policy(dtype: Any) -> None:
    half, full = jnp.float16, jnp.float32
    policy = pax.Policy(param_dtype=full, compute_dtype=half, output_dtype=half)
    layer = pax.apply_mp_policy(by_hand(MASK.astype(dtype)), policy)
    y = layer(X)
    assert y.dtype == half
    assert y.ravel().tolist() == [10, 21, 32, 43]
    assert layer.mask.dtype == dtype


def test_one_mask_for_many_layers() -> None:
    # a layer has a copy of its own, so that no array stands at two places of a tree
    for mask in (MASK, jnp.asarray(MASK)):
        net = pax.Sequential(by_hand(mask), by_hand(mask))
        assert net(X).ravel().tolist() == [100, 220, 341, 462]
    array = MASK.copy()
    layer = by_hand(array)
    array[:] = False
    assert layer(X).ravel().tolist() == [10, 21, 32, 43]


def test_in_a_stack() -> None:
    stack = pax.stack([by_hand(), by_hand()])
    assert stack(X).ravel().tolist() == [100, 220, 341, 462]
    assert [x.shape for x in jax.tree.leaves(stack.parameters())] == [(2, 3, 1, 1)]


def test_made_in_a_compiled_function() -> None:
    def run(mask: jax.Array) -> jax.Array:
        layer = pax.Conv1D(1, 1, 3, mask=mask, with_bias=False, rng_key=jax.random.PRNGKey(0))
        return layer.replace(weight=jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1))(X)

    assert jax.jit(run)(jnp.asarray(MASK)).ravel().tolist() == [10, 21, 32, 43]


def test_printed_form() -> None:
    printed = (
        "Conv1D(in_features=1, out_features=1, kernel_shape=(3,), padding=SAME, "
        "with_bias=False, data_format=NWC, masked=True)"
    )
    assert repr(by_hand()) == printed
    assert repr(by_hand().parameters()) == printed


def masked(mask: Any) -> Any:
    """Returns what makes a convolution with this mask."""
    return lambda: pax.Conv2D(2, 4, 3, mask=mask)


SHAPES = (
    "expected that of the weight, (3, 3, 2, 4), or 1 for some of its axes.",
    "give the mask all axes of the weight: mask[..., None, None] for one of the kernel positions "
    "alone.",
)


@each(
    Bad(
        masked("A"),
        pax.ArgumentError,
        "Conv2D got mask of type str; expected an array.",
        "pass an array of zeros and ones, e.g. np.array(mask).",
    ),
    Bad(
        masked(np.ones((3, 3, 1, 1), np.complex64)),
        pax.ArgumentError,
        "Conv2D got mask of dtype complex64; expected real numbers or truth values.",
        "pass an array of zeros and ones, e.g. mask.astype(bool).",
    ),
    Bad(
        masked(np.ones((3, 3))),
        pax.ArgumentError,
        f"Conv2D got mask of shape (3, 3); {SHAPES[0]}",
        SHAPES[1],
    ),
    Bad(
        masked(np.ones((3, 3, 4, 1))),
        pax.ArgumentError,
        f"Conv2D got mask of shape (3, 3, 4, 1); {SHAPES[0]}",
        SHAPES[1],
    ),
    Bad(
        masked(np.ones((3, 3, 2, 0))),
        pax.ArgumentError,
        f"Conv2D got mask of shape (3, 3, 2, 0); {SHAPES[0]}",
        SHAPES[1],
    ),
)
def test_bad_masks(bad: Bad, unchecked: None) -> None:
    bad.check()
