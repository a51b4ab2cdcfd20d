"""Parity of the transposed convolutions, against torch's cut to size and against haiku's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import haiku as hk
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pax
from tests.parity.compare import Reference, assert_like_jax, assert_like_torch, normal

LAYERS: list[Callable[..., pax.Module]] = [pax.Conv1DTranspose, pax.Conv2DTranspose]
FORMATS = [("NWC", "NCW"), ("NHWC", "NCHW")]
PAIRS = [(1, 0), (0, 2)]


def padded(padding: str, kernel: int, stride: int) -> tuple[int, int]:
    """Returns the padding of the spread-out input under a name."""
    total = kernel + stride - 2
    if padding == "VALID":
        return kernel - 1, total - (kernel - 1) + max(kernel - stride, 0)
    before = kernel - 1 if stride >= kernel else -(-total // 2)
    return before, total - before


def reference(n: int, kernel: tuple[int, ...], options: dict[str, Any]) -> Reference:
    """Returns the same transposed convolution in torch.

    Torch flips the kernel and pads by kernel - 1 on both sides; what is too much of it, or too
    little, is cut off or added as zeros.
    """
    stride = options.get("stride", (1,) * n)
    last = options.get("data_format", FORMATS[n - 1][0]).endswith("C")
    convolve = (torch.nn.functional.conv_transpose1d, torch.nn.functional.conv_transpose2d)[n - 1]

    def run(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        x = x.movedim(-1, 1) if last else x
        padding = options.get("padding", "SAME")
        if isinstance(padding, str):
            padding = [padded(padding, k, s) for k, s in zip(kernel, stride, strict=True)]
        weight = p["weight"].flip(*range(n)).permute(n + 1, n, *range(n))
        y = convolve(x, weight, None, stride)
        change = [
            size - (k - 1)
            for k, pair in reversed(list(zip(kernel, padding, strict=True)))
            for size in pair
        ]
        y = torch.nn.functional.pad(y, change)
        if "bias" in p:
            y = y + p["bias"].reshape(-1, *[1] * n)
        return y.movedim(1, -1) if last else y

    return run


@st.composite
def convolutions(draw: Any, n: int) -> tuple[tuple[int, ...], dict[str, Any], tuple[int, ...]]:
    """Draws a kernel shape, options and an input shape."""
    pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=n, max_size=n)
    sizes = st.tuples(*[st.integers(1, 4)] * n)
    kernel = draw(sizes)
    options = {
        "stride": draw(sizes),
        "padding": draw(st.sampled_from(["SAME", "VALID"]) | pairs),
        "with_bias": draw(st.booleans()),
        "data_format": draw(st.sampled_from(FORMATS[n - 1])),
    }
    # long enough that something comes out without padding
    space = [k + draw(st.integers(0, 2)) for k in kernel]
    last = options["data_format"][-1] == "C"
    return kernel, options, (2, *space, 3) if last else (2, 3, *space)


@pytest.mark.parametrize("n", [1, 2])
@settings(max_examples=6)
@given(data=st.data())
def test_every_combination(n: int, data: st.DataObject) -> None:
    kernel, options, shape = data.draw(convolutions(n))
    assert_like_torch(
        lambda: LAYERS[n - 1](3, 4, kernel, **options),
        [normal(*shape)],
        reference(n, kernel, options),
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID", "pairs"])
@pytest.mark.parametrize("n", [1, 2])
def test_haiku_with_the_same_weight(n: int, padding: str) -> None:
    options: dict[str, Any] = {
        "stride": (2, 3)[:n],
        "padding": PAIRS[:n] if padding == "pairs" else padding,
    }
    kernel, space = (3, 2)[:n], (4, 3)[:n]
    theirs = (hk.Conv1DTranspose, hk.Conv2DTranspose)[n - 1]
    network = hk.without_apply_rng(
        hk.transform(lambda x: theirs(4, kernel, name="up", **options)(x))
    )

    def haiku(p: dict[str, Any], x: Any) -> Any:
        return network.apply({"up": {"w": p["weight"], "b": p["bias"]}}, x)

    assert_like_jax(lambda: LAYERS[n - 1](3, 4, kernel, **options), [normal(2, *space, 3)], haiku)
