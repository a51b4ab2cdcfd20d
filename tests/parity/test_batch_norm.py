"""Parity of batch normalisation: training, running averages, evaluation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import Reference, assert_close, assert_like_torch, normal

LAYERS: list[Callable[..., pax.Module]] = [pax.BatchNorm1D, pax.BatchNorm2D, pax.BatchNorm3D]
FORMATS = [("NWC", "NCW"), ("NHWC", "NCHW"), ("NDHWC", "NCDHW")]
slow = functools.partial(pytest.param, marks=pytest.mark.slow)
ALL = pytest.mark.parametrize(
    ("n", "data_format"),
    [
        slow(n, name) if n == 3 else (n, name)
        for n, names in enumerate(FORMATS, start=1)
        for name in names
    ],
)


def shape_of(n: int, data_format: str) -> tuple[int, ...]:
    """Returns the shape of a batch with four channels."""
    space = (5, 2, 3)[:n]
    return (3, *space, 4) if data_format.endswith("C") else (3, 4, *space)


def batches(n: int, data_format: str, count: int) -> list[np.ndarray]:
    """Returns batches whose means and variances differ."""
    shape = shape_of(n, data_format)
    return [(i + 1) * normal(*shape, seed=i) + 2 * i for i in range(count)]


def reference(data_format: str, mean: Any = None, variance: Any = None) -> Reference:
    """Returns torch's batch norm: in training, or with given averages."""

    def run(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        last = data_format.endswith("C")
        scale, offset = (p[k].flatten() if k in p else None for k in ("scale", "offset"))
        y = torch.nn.functional.batch_norm(
            x.movedim(-1, 1) if last else x,
            None if mean is None else torch.tensor(np.array(mean).ravel()),
            None if variance is None else torch.tensor(np.array(variance).ravel()),
            scale,
            offset,
            training=mean is None,
            eps=1e-3,
        )
        return y.movedim(1, -1) if last else y

    return run


@ALL
@pytest.mark.parametrize("affine", [True, slow(False)], ids=["affine", "bare"])
def test_training(n: int, data_format: str, affine: bool) -> None:
    assert_like_torch(
        lambda: LAYERS[n - 1](4, affine, affine, eps=1e-3, data_format=data_format),
        [normal(*shape_of(n, data_format))],
        reference(data_format),
        call=lambda module, x: pax.purecall(module, x)[1],
    )


@ALL
def test_evaluation_uses_the_averages(n: int, data_format: str) -> None:
    with jax.enable_x64(True):
        norm: Any = LAYERS[n - 1](4, eps=1e-3, data_format=data_format)
        for x in batches(n, data_format, 3):
            norm, _ = pax.purecall(norm, x)
    assert_like_torch(
        lambda: norm.eval(),
        [normal(*shape_of(n, data_format), seed=9)],
        reference(data_format, norm.ema_mean.averages, norm.ema_var.averages),
    )


@pytest.mark.parametrize(("n", "data_format"), [(1, "NWC"), (2, "NCHW")])
def test_averages_over_steps_are_those_of_flax_after_the_first_batch(
    n: int, data_format: str
) -> None:
    axis = data_format.index("C")
    theirs = nn.BatchNorm(False, axis, 0.8, use_fast_variance=False)
    with jax.enable_x64(True):
        norm: Any = LAYERS[n - 1](4, decay_rate=0.8, data_format=data_format)
        norm = norm.replace(scale=jnp.asarray(normal(*norm.scale.shape)))
        first, *others = batches(n, data_format, 5)
        norm, _ = pax.purecall(norm, first)
        affine = {"scale": norm.scale.ravel(), "bias": norm.offset.ravel()}
        stats: Any = {"mean": norm.ema_mean.averages.ravel(), "var": norm.ema_var.averages.ravel()}
        for x in others:
            norm, y = pax.purecall(norm, x)
            with jax.numpy_dtype_promotion("standard"):  # flax mixes float32 in
                expected, state = theirs.apply(
                    {"params": affine, "batch_stats": stats}, x, mutable=["batch_stats"]
                )
            stats = state["batch_stats"]
            assert_close(y, expected)
            assert_close(norm.ema_mean.averages.ravel(), stats["mean"])
            assert_close(norm.ema_var.averages.ravel(), stats["var"])


@pytest.mark.parametrize(("n", "data_format"), [(1, "NCW"), slow(2, "NHWC"), slow(3, "NCDHW")])
def test_averages_over_steps_are_those_of_torch(n: int, data_format: str) -> None:
    make = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)[n - 1]
    theirs: Any = make(4, momentum=0.2, dtype=torch.float64)
    with jax.enable_x64(True):
        norm: Any = LAYERS[n - 1](4, data_format=data_format, unbiased_variance=True)
        norm = norm.replace(  # averages that the first batch is mixed with
            ema_mean=pax.EMA(np.zeros(norm.scale.shape), decay_rate=0.8),
            ema_var=pax.EMA(np.ones(norm.scale.shape), decay_rate=0.8),
        )
        for x in batches(n, data_format, 4):
            norm, _ = pax.purecall(norm, x)
            theirs(torch.tensor(x).movedim(data_format.index("C"), 1))
            assert_close(norm.ema_mean.averages.ravel(), theirs.running_mean.numpy())
            assert_close(norm.ema_var.averages.ravel(), theirs.running_var.numpy())
