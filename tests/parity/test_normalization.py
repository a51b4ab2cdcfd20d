"""Parity of normalisation within an example, over all forms of axes and both data formats."""

from __future__ import annotations

import functools
from typing import Any

import haiku as hk
import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import assert_like_jax, assert_like_torch, normal

slow = functools.partial(pytest.param, marks=pytest.mark.slow)

AXES: list[Any] = [
    1,
    slow(0),
    slow((2, 3)),
    (-3, -1),
    slow([1, 2]),
    slow(slice(1, None)),
    slice(2, None),
    slow(slice(None)),
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


@pytest.mark.parametrize("data_format", ["N...C", slow("NC...")])
@pytest.mark.parametrize(
    "axis", [slow(slice(1, None)), slice(2, None), (1, 3), slow(2), slow([2, 3])], ids=str
)
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


@pytest.mark.parametrize("axis", [slow(-1), (1, -1), slow(slice(1, None))], ids=str)
def test_rms_norm_over_any_axes(axis: Any) -> None:
    theirs = hk.without_apply_rng(
        hk.transform(lambda x: hk.RMSNorm(axis, param_axis=-1, name="n")(x))
    )
    assert_like_jax(
        lambda: pax.RMSNorm(4, axis), [normal(2, 3, 4)], lambda p, x: theirs.apply({"n": p}, x)
    )


def test_rms_norm_over_the_last_axis() -> None:
    epsilon = float(np.finfo(np.float64).eps)  # what torch adds by default
    assert_like_torch(
        lambda: pax.RMSNorm(4, eps=epsilon),
        [normal(2, 3, 4)],
        lambda p, x: torch.nn.functional.rms_norm(x, (4,), p["scale"]),
    )


def test_rms_norm_with_the_scale_of_the_call() -> None:
    assert_like_torch(
        lambda: pax.RMSNorm(4, (1, 2), False, 1e-3),
        [normal(2, 3, 4), normal(2, 3, 1, seed=2)],
        lambda p, x, scale: torch.nn.functional.rms_norm(x, (3, 4), eps=1e-3) * scale,
    )


@pytest.mark.parametrize("data_format", ["N...C", "NC..."])
@pytest.mark.parametrize("space", [(5,), slow((4, 5)), slow((2, 3, 4))], ids=str)
def test_instance_norm(space: tuple[int, ...], data_format: str) -> None:
    last = data_format == "N...C"

    def theirs(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        x = x.movedim(-1, 1) if last else x
        y = torch.nn.functional.instance_norm(x, weight=p["scale"], bias=p["offset"], eps=1e-3)
        return y.movedim(1, -1) if last else y

    assert_like_torch(
        lambda: pax.InstanceNorm(3, eps=1e-3, data_format=data_format),
        [normal(2, *space, 3) if last else normal(2, 3, *space)],
        theirs,
    )


@pytest.mark.parametrize("size", [slow(1), 2, slow(3), 5, slow(9)])
def test_local_response_norm_channels_first(size: int) -> None:
    assert_like_torch(
        lambda: pax.LocalResponseNorm(size, 0.3, 0.6, 1.5, "NC..."),
        [normal(2, 5, 4, 3)],
        lambda p, x: torch.nn.functional.local_response_norm(x, size, 0.3, 0.6, 1.5),
    )


def test_local_response_norm_channels_last_by_default() -> None:
    def theirs(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return torch.nn.LocalResponseNorm(4)(x.movedim(-1, 1)).movedim(1, -1)

    assert_like_torch(lambda: pax.LocalResponseNorm(4), [30 * normal(2, 4, 6)], theirs)


@pytest.mark.parametrize(("data_format", "channel"), [("N...C", -1), ("NC...", 1)])
def test_global_response_norm(data_format: str, channel: int) -> None:
    space = (1, 2) if channel == -1 else (2, 3)

    def theirs(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        gx = torch.linalg.vector_norm(x, ord=2, dim=space, keepdim=True)
        nx = gx / (gx.mean(dim=channel, keepdim=True) + 1e-6)
        scale, offset = (p[k].reshape(-1, *[1] * (3 - channel % 4)) for k in ("scale", "offset"))
        return scale * (x * nx) + offset + x

    x = normal(2, 4, 5, 3) if channel == -1 else normal(2, 3, 4, 5)
    x[(1, ..., 0) if channel == -1 else (1, 0)] = 0.0  # a channel without a response
    assert_like_torch(lambda: pax.GRN(3, data_format=data_format), [x], theirs)
