"""Parity of the convolutions: every way of padding, striding, dilating and grouping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pax
from tests.parity.compare import Reference, assert_like_torch, normal

LAYERS: list[Callable[..., pax.Module]] = [pax.Conv1D, pax.Conv2D, pax.Conv3D]
FORMATS = [("NWC", "NCW"), ("NHWC", "NCHW"), ("NDHWC", "NCDHW")]
#: Our name of each padding mode, and that of `torch.nn.functional.pad`.
MODES = {mode: mode for mode in ("reflect", "replicate", "circular")} | {"zeros": "constant"}


def same(size: int, kernel: int, stride: int, rate: int) -> tuple[int, int]:
    """Returns the padding that gives size / stride outputs, the odd one at the end."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * rate + 1 - size, 0)
    return total // 2, total - total // 2


def each(value: Any, n: int) -> tuple[Any, ...]:
    """Returns one value for each of `n` axes."""
    return (value,) * n if isinstance(value, int) else tuple(value)


def reference(n: int, kernel: Any, options: dict[str, Any]) -> Reference:
    """Returns the same convolution in torch, with the padding worked out by hand."""
    stride, rate = each(options.get("stride", 1), n), each(options.get("rate", 1), n)
    last = options.get("data_format", FORMATS[n - 1][0]).endswith("C")
    names = torch.nn.functional
    convolve = (names.conv1d, names.conv2d, names.conv3d)[n - 1]
    mode = MODES[options.get("padding_mode", "zeros")]
    mask = torch.from_numpy(np.asarray(options.get("mask", 1.0)))

    def run(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        x = x.movedim(-1, 1) if last else x
        padding = options.get("padding", "SAME")
        if padding == "SAME":
            padding = list(map(same, x.shape[2:], each(kernel, n), stride, rate))
        elif padding == "VALID":
            padding = [(0, 0)] * n
        elif padding == "CAUSAL":
            padding = [((kernel - 1) * rate[0], 0)]
        x = names.pad(x, [size for pair in reversed(padding) for size in pair], mode)
        weight = (p["weight"] * mask).permute(n + 1, n, *range(n))
        groups = options.get("feature_group_count", 1)
        y = convolve(x, weight, p.get("bias"), stride, 0, rate, groups)
        return y.movedim(1, -1) if last else y

    return run


@pytest.mark.parametrize(
    ("n", "channels_last"),
    [
        (1, True),
        (1, False),
        (2, True),
        (2, False),
        (3, True),
        pytest.param(3, False, marks=pytest.mark.slow),
    ],
)
def test_defaults(n: int, channels_last: bool) -> None:
    shape = (2, *(5, 6, 4)[:n], 3) if channels_last else (2, 3, *(5, 6, 4)[:n])
    options = {} if channels_last else {"data_format": FORMATS[n - 1][1]}
    assert_like_torch(
        lambda: LAYERS[n - 1](3, 4, 3, **options), [normal(*shape)], reference(n, 3, options)
    )


@st.composite
def convolutions(draw: Any, n: int) -> tuple[Any, dict[str, Any], tuple[int, ...]]:
    """Draws a kernel shape, options and an input shape that go together."""

    def sizes(largest: int) -> Any:
        size = st.integers(1, largest)
        return draw(size | st.lists(size, min_size=n, max_size=n) | st.tuples(*[size] * n))

    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    kernel, stride, rate = sizes(3), sizes(3), sizes(2)
    groups = draw(st.sampled_from([1, 2]))
    options = {
        "stride": stride,
        "rate": rate,
        "padding": draw(st.sampled_from(["SAME", "VALID"]) | st.tuples(*[pair] * n)),
        "padding_mode": draw(st.sampled_from(list(MODES))),
        "with_bias": draw(st.booleans()),
        "data_format": draw(st.sampled_from(FORMATS[n - 1])),
        "feature_group_count": groups,
    }
    # the kernel fits at least once, even without padding, and there is enough to be mirrored
    space = [
        max((k - 1) * r + 1 + draw(st.integers(0, 3)), 3)
        for k, r in zip(each(kernel, n), each(rate, n), strict=True)
    ]
    last, channels = options["data_format"].endswith("C"), 2 * groups
    return kernel, options, (2, *space, channels) if last else (2, channels, *space)


@pytest.mark.parametrize("n", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
@settings(max_examples=6)
@given(data=st.data())
def test_every_combination(n: int, data: st.DataObject) -> None:
    kernel, options, shape = data.draw(convolutions(n))
    groups = options["feature_group_count"]
    assert_like_torch(
        lambda: LAYERS[n - 1](2 * groups, 4, kernel, **options),
        [normal(*shape)],
        reference(n, kernel, options),
    )


@pytest.mark.parametrize(
    ("n", "options"),
    [
        (1, {"padding": "CAUSAL", "rate": 2}),
        pytest.param(
            1,
            {"padding": "CAUSAL", "stride": 2, "padding_mode": "replicate"},
            marks=pytest.mark.slow,
        ),
        (2, {"mask": normal(3, 3, 1, 1)}),
        pytest.param(
            2,
            {"mask": normal(3, 1, 2, 4, seed=3) > 0, "feature_group_count": 2},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["causal", "causal, replicate", "mask", "mask, groups"],
)
def test_other_options(n: int, options: dict[str, Any]) -> None:
    channels = 2 * options.get("feature_group_count", 1)
    assert_like_torch(
        lambda: LAYERS[n - 1](channels, 4, 3, **options),
        [normal(2, *(7, 5)[:n], channels)],
        reference(n, 3, options),
    )
