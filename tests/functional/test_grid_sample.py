"""Deformable sampling."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import affine_grid, grid_sample
from tests.functional.messages import message

ROW = jnp.array([1.0, 3.0, 7.0]).reshape(1, 3, 1)


def sample(places: list[float], *args: Any, **options: Any) -> list[float]:
    grid = jnp.asarray(places).reshape(1, -1, 1)
    return grid_sample(ROW, grid, *args, **options).ravel().tolist()


def test_by_hand() -> None:
    # the entries are a third of the way wide: centres at -2/3, 0, 2/3
    assert sample([0.0, -1.0, 1.0, 2.0]) == [3.0, 0.5, 3.5, 0.0]
    assert sample([0.0, -1.0, 1.0, 2.0], padding_mode="border") == [3.0, 1.0, 7.0, 7.0]
    assert sample([0.0, -1.5, 1.5], padding_mode="reflection") == pytest.approx([3.0, 1.5, 6.0])
    assert sample([-1.0, -0.5, 1.0], align_corners=True) == [1.0, 2.0, 7.0]
    bent = sample([-1.5, 1.5, 3.0], padding_mode="reflection", align_corners=True)
    assert bent == [2.0, 5.0, 1.0]
    assert sample([-0.4, 0.3, 0.9], "nearest") == [1.0, 3.0, 7.0]
    # halfway between two entries: (-3 a + 19 b + 19 c - 3 d) / 32
    cubic = sample([-0.5], "cubic", "border", align_corners=True)
    assert cubic == [(-3 * 1 + 19 * 1 + 19 * 3 - 3 * 7) / 32]


def test_the_first_coordinate_is_the_last_axis() -> None:
    x = jnp.arange(6.0).reshape(1, 2, 3, 1)
    grid = jnp.array([[[1.0, -1.0], [-1.0, 1.0], [0.0, 1.0]]])
    found = grid_sample(x, grid, align_corners=True)
    assert found.shape == (1, 3, 1)
    assert found.ravel().tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("method", "align_corners"), [("linear", True), ("linear", False), ("cubic", True)]
)
def test_the_grid_of_the_identity(method: str, align_corners: bool) -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 1, 3)), jnp.float32)
    theta = jnp.tile(jnp.eye(2, 3), (2, 1, 1))
    grid = affine_grid(theta, (4, 1), align_corners=align_corners)
    assert grid.shape == (2, 4, 1, 2)
    found = jax.jit(lambda x, grid: grid_sample(x, grid, method, align_corners=align_corners))(
        x, grid
    )
    np.testing.assert_allclose(found, x, rtol=1e-5, atol=1e-6)


def test_what_is_beyond_the_border_is_zero_whatever_the_border_is() -> None:
    x = jnp.array([1.0, jnp.inf]).reshape(1, 2, 1)
    found = grid_sample(x, jnp.array([[[2.0], [5.0], [-2.0]]]))
    assert found.ravel().tolist() == [0.0, 0.0, 0.0]


def test_shapes_and_dtypes() -> None:
    x, grid = jnp.ones((2, 4, 5, 3)), jnp.zeros((2, 6, 2))
    assert grid_sample(x, grid).shape == (2, 6, 3)
    assert grid_sample(x[:0], grid[:0]).shape == (0, 6, 3)
    assert grid_sample(jnp.moveaxis(x, -1, 1), grid, data_format="NC...").shape == (2, 3, 6)
    assert grid_sample(x, grid[:, :0]).shape == (2, 0, 3)
    assert grid_sample(x, grid[:, 0]).shape == (2, 3)
    assert grid_sample(x.astype(jnp.bfloat16), grid).dtype == jnp.bfloat16


def test_errors(unchecked: None) -> None:
    x, grid = jnp.ones((2, 4, 5, 3)), jnp.zeros((2, 6, 2))
    for wrong in (grid[:1], grid[..., :1], grid[0, 0]):
        assert message(ShapeError, lambda wrong=wrong: grid_sample(x, wrong)) == (
            f"grid_sample got grid of shape {wrong.shape} for x of shape (2, 4, 5, 3) in N...C; "
            "expected (2, ..., 2).\n  fix: give it one place of 2 numbers for each entry of the "
            "output, for each image."
        )
    assert message(ArgumentError, lambda: grid_sample(x, grid, "bilinear")) == (
        "grid_sample got method='bilinear'; expected one of 'nearest', 'linear', 'cubic'.\n"
        "  fix: write method='nearest'."
    )
    assert message(ArgumentError, lambda: grid_sample(x, grid, padding_mode="wrap")) == (
        "grid_sample got padding_mode='wrap'; expected one of 'zeros', 'border', 'reflection'.\n"
        "  fix: write padding_mode='zeros'."
    )
    assert message(ShapeError, lambda: grid_sample(x[:, :0], grid)) == (
        "grid_sample got x of shape (2, 0, 5, 3), which has a spatial axis of size 0.\n"
        "  fix: give it an input that is not empty; only the batch may be."
    )
    assert message(DtypeError, lambda: grid_sample(x, grid.astype(int))) == (
        "grid_sample got grid of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. grid.astype(jnp.float32)."
    )
    assert message(ShapeError, lambda: affine_grid(jnp.eye(2, 3), (4, 4))) == (
        "affine_grid got theta of shape (2, 3); expected (B, 2, 3) for spatial_shape=(4, 4).\n"
        "  fix: give it a matrix and a shift, side by side, for each image."
    )
    assert message(ArgumentError, lambda: affine_grid(jnp.ones((1, 1, 2)), 4)) == (  # type: ignore[arg-type]
        "affine_grid got spatial_shape=4; expected a size for each spatial axis.\n"
        "  fix: write spatial_shape=(8, 8) for an image of 8 x 8."
    )
