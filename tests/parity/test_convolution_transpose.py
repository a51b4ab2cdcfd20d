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

LAYERS: list[Callable[..., pax.Module]] = [
    pax.Conv1DTranspose,
    pax.Conv2DTranspose,
    pax.Conv3DTranspose,
]
NAMES = torch.nn.functional
TORCH = [NAMES.conv_transpose1d, NAMES.conv_transpose2d, NAMES.conv_transpose3d]
FORMATS = [("NWC", "NCW"), ("NHWC", "NCHW"), ("NDHWC", "NCDHW")]
LATER = [pytest.param(n, marks=pytest.mark.slow) for n in (2, 3)]
RANKS = pytest.mark.parametrize("n", [1, *LATER])
PAIRS = [(1, 0), (0, 2)]


def padded(padding: str, kernel: int, stride: int) -> tuple[int, int]:
    """Returns the padding of the spread-out input under a name."""
    total = kernel + stride - 2
    if padding == "VALID":
        return kernel - 1, total - (kernel - 1) + max(kernel - stride, 0)
    before = kernel - 1 if stride >= kernel else -(-total // 2)
    return before, total - before


def torch_weight(weight: torch.Tensor, groups: int) -> torch.Tensor:
    """Returns our kernel [*kernel, G O, I] as torch's [G I, O, *kernel], flipped."""
    *kernel, outs, ins = weight.shape
    n = len(kernel)
    weight = weight.flip(*range(n)).reshape(*kernel, groups, outs // groups, ins)
    weight = weight.permute(n, n + 2, n + 1, *range(n)).reshape(-1, outs // groups, *kernel)
    return weight.contiguous()  # torch has no gradient for some others


def reference(n: int, kernel: tuple[int, ...], options: dict[str, Any]) -> Reference:
    """Returns the same transposed convolution in torch.

    Torch flips the kernel and pads by (kernel - 1) * rate on both sides; what is too much of it,
    or too little, is cut off or added as zeros.
    """
    stride, rate, extra = (
        options.get(name, (default,) * n)
        for name, default in (("stride", 1), ("rate", 1), ("output_padding", 0))
    )
    groups = options.get("feature_group_count", 1)
    last = options.get("data_format", FORMATS[n - 1][0]).endswith("C")
    windows = [(k - 1) * r + 1 for k, r in zip(kernel, rate, strict=True)]

    def run(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        x = x.movedim(-1, 1).contiguous() if last else x
        padding = options.get("padding", "SAME")
        if isinstance(padding, str):
            padding = [padded(padding, k, s) for k, s in zip(windows, stride, strict=True)]
        weight = torch_weight(p["weight"], groups)
        y = TORCH[n - 1](x, weight, None, stride, 0, 0, groups, rate)
        change = [
            size - (k - 1)
            for k, (before, after), e in reversed(list(zip(windows, padding, extra, strict=True)))
            for size in (before, after + e)
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
    kernel, stride, rate = draw(sizes), draw(sizes), draw(sizes)
    groups = draw(st.sampled_from([1, 2]))
    options = {
        "stride": stride,
        "rate": rate,
        "output_padding": [
            draw(st.integers(0, max(s, r) - 1)) for s, r in zip(stride, rate, strict=True)
        ],
        "feature_group_count": groups,
        "padding": draw(st.sampled_from(["SAME", "VALID"]) | pairs),
        "with_bias": draw(st.booleans()),
        "data_format": draw(st.sampled_from(FORMATS[n - 1])),
    }
    # long enough that something comes out without padding
    space = [
        -(-(k - 1) * r // s) + 1 + draw(st.integers(0, 2))
        for k, r, s in zip(kernel, rate, stride, strict=True)
    ]
    last, channels = options["data_format"][-1] == "C", draw(st.integers(1, 2)) * groups
    return kernel, options, (2, *space, channels) if last else (2, channels, *space)


@RANKS
@settings(max_examples=6)
@given(data=st.data())
def test_every_combination(n: int, data: st.DataObject) -> None:
    kernel, options, shape = data.draw(convolutions(n))
    channels = shape[-1] if options["data_format"][-1] == "C" else shape[1]
    assert_like_torch(
        lambda: LAYERS[n - 1](channels, 4, kernel, **options),
        [normal(*shape)],
        reference(n, kernel, options),
    )


@RANKS
@pytest.mark.parametrize("groups", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_arguments_of_torch(n: int, groups: int) -> None:
    kernel, stride, rate, theirs, extra = (3, 4, 2)[:n], 3, 2, 1, 2
    pairs = [(rate * (k - 1) - theirs,) * 2 for k in kernel]

    def reference(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        weight = torch_weight(p["weight"], groups)
        return TORCH[n - 1](x, weight, p["bias"], stride, theirs, extra, groups, rate)

    assert_like_torch(
        lambda: LAYERS[n - 1](
            4,
            8,
            kernel,
            stride,
            pairs,
            data_format=FORMATS[n - 1][1],
            output_padding=extra,
            rate=rate,
            feature_group_count=groups,
        ),
        [normal(2, 4, *(3, 2, 2)[:n])],
        reference,
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID", "pairs"])
@pytest.mark.parametrize("n", [1, LATER[0]])
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
