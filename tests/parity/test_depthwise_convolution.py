"""Parity of the depthwise and separable convolutions, against torch and haiku."""

from __future__ import annotations

from typing import Any

import haiku as hk
import pytest
import torch

import pax
from tests.parity.compare import assert_like_jax, assert_like_torch, normal

RANKS = [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
TORCH = [torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d]
DEPTHWISE = [pax.DepthwiseConv1D, pax.DepthwiseConv2D, pax.DepthwiseConv3D]
SEPARABLE = [pax.SeparableConv1D, pax.SeparableConv2D]
KERNEL, SPACE = (3, 2, 2), (5, 4, 3)


def to_torch(weight: torch.Tensor) -> torch.Tensor:
    """Returns a kernel with its features first."""
    n = weight.ndim - 2
    return weight.permute(n + 1, n, *range(n))


@pytest.mark.parametrize("n", RANKS)
def test_depthwise(n: int) -> None:
    def reference(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return TORCH[n - 1](x, to_torch(p["weight"]), p["bias"], 2, 1, 1, 3)

    options: dict[str, Any] = {"data_format": ("NCW", "NCHW", "NCDHW")[n - 1], "stride": 2}
    assert_like_torch(
        lambda: DEPTHWISE[n - 1](3, KERNEL[:n], 2, padding=[(1, 1)] * n, **options),
        [normal(2, 3, *SPACE[:n])],
        reference,
    )


@pytest.mark.parametrize("n", RANKS[:2])
def test_separable(n: int) -> None:
    def reference(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        x = TORCH[n - 1](x, to_torch(p["depthwise.weight"]), None, 1, 1, 2, 3)
        return TORCH[n - 1](x, to_torch(p["pointwise.weight"]), p["pointwise.bias"])

    options: dict[str, Any] = {"data_format": ("NCW", "NCHW", "NCDHW")[n - 1], "rate": 2}
    assert_like_torch(
        lambda: SEPARABLE[n - 1](3, 4, KERNEL[:n], 2, padding=[(1, 1)] * n, **options),
        [normal(2, 3, *SPACE[:n])],
        reference,
    )


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3])
def test_depthwise_with_the_weight_of_haiku(n: int) -> None:
    layer = (hk.DepthwiseConv1D, hk.DepthwiseConv2D, hk.DepthwiseConv3D)[n - 1]
    network = hk.without_apply_rng(
        hk.transform(lambda x: layer(2, KERNEL[:n], stride=2, name="each")(x))
    )

    def reference(p: dict[str, Any], x: Any) -> Any:
        return network.apply({"each": {"w": p["weight"], "b": p["bias"]}}, x)

    assert_like_jax(
        lambda: DEPTHWISE[n - 1](3, KERNEL[:n], 2, stride=2),
        [normal(2, *SPACE[:n], 3)],
        reference,
    )
