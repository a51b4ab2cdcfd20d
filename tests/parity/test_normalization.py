"""Parity of layer and group normalisation, over all forms of axes and both data formats."""

from __future__ import annotations

from typing import Any

import haiku as hk
import pytest
import torch

import pax
from tests.parity.compare import assert_like_jax, assert_like_torch, normal

AXES: list[Any] = [
    1,
    0,
    (2, 3),
    (-3, -1),
    [1, 2],
    slice(1, None),
    slice(2, None),
    slice(None),
]


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_layer_norm_over_any_axes(axis: Any) -> None:
    theirs = hk.without_apply_rng(
        hk.transform(lambda x: hk.LayerNorm(axis, True, True, 1e-3, param_axis=-1, name="n")(x))
    )
    assert_like_jax(
        lambda: pax.LayerNorm(4, axis, True, True, 1e-3),
        [normal(2, 3, 2, 4)],
        lambda p, x: theirs.apply({"n": p}, x),
    )


@pytest.mark.parametrize(("scale", "offset"), [(True, True), (True, False), (False, True)])
def test_layer_norm_over_the_last_axis(scale: bool, offset: bool) -> None:
    assert_like_torch(
        lambda: pax.LayerNorm(4, -1, scale, offset),
        [normal(2, 3, 4)],
        lambda p, x: torch.nn.functional.layer_norm(x, (4,), p.get("scale"), p.get("offset")),
    )


@pytest.mark.parametrize("shape", [(4,), (2, 3, 1)], ids=str)
def test_layer_norm_with_scale_and_offset_of_the_call(shape: tuple[int, ...]) -> None:
    assert_like_torch(
        lambda: pax.LayerNorm(4, (1, 2), False, False),
        [normal(2, 3, 4), normal(*shape, seed=2), normal(*shape, seed=3)],
        lambda p, x, scale, offset: torch.nn.functional.layer_norm(x, (3, 4)) * scale + offset,
    )


@pytest.mark.parametrize(("groups", "space"), [(1, (5,)), (6, (5,)), (2, ()), (2, (3, 2))], ids=str)
def test_group_norm_channels_last(groups: int, space: tuple[int, ...]) -> None:
    def theirs(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        x = x.movedim(-1, 1)
        y = torch.nn.functional.group_norm(x, groups, p["scale"], p["offset"], 1e-3)
        return y.movedim(1, -1)

    assert_like_torch(lambda: pax.GroupNorm(groups, 6, eps=1e-3), [normal(2, *space, 6)], theirs)


@pytest.mark.parametrize("data_format", ["channels_first", "NC..."])
def test_group_norm_channels_first(data_format: str) -> None:
    assert_like_torch(
        lambda: pax.GroupNorm(3, 6, data_format=data_format),
        [normal(2, 6, 4, 5)],
        lambda p, x: torch.nn.functional.group_norm(x, 3, p["scale"], p["offset"]),
    )


@pytest.mark.parametrize("data_format", ["N...C", "NC..."])
@pytest.mark.parametrize("axis", [slice(1, None), slice(2, None), (1, 3), 2, [2, 3]], ids=str)
def test_group_norm_over_any_axes(axis: Any, data_format: str) -> None:
    create = {"create_scale": False, "create_offset": False}
    theirs = hk.without_apply_rng(
        hk.transform(lambda x: hk.GroupNorm(2, axis, **create, data_format=data_format)(x))
    )
    assert_like_jax(
        lambda: pax.GroupNorm(2, 4, axis, **create, data_format=data_format),
        [normal(2, 4, 3, 4)],
        lambda p, x: theirs.apply({}, x),
    )


def test_group_norm_with_scale_and_offset_of_the_call() -> None:
    assert_like_torch(
        lambda: pax.GroupNorm(2, 4, create_scale=False, create_offset=False, data_format="NC..."),
        [normal(2, 4, 3), normal(4, 1, seed=2), normal(2, 1, 3, seed=3)],
        lambda p, x, scale, offset: torch.nn.functional.group_norm(x, 2) * scale + offset,
    )
