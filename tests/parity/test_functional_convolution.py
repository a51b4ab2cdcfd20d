"""Parity of every way to compute a convolution with JAX's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import haiku as hk
import jax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax.functional import conv, conv_transpose
from tests.parity.compare import normal
from tests.parity.functions import assert_like_jax

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

FORMATS = {"NWC": "W", "NCW": "W", "NHWC": "HW", "NCHW": "HW"}
#: Formats of more axes, which are computed as planes.
MORE = {"NDHWC": "DHW", "NCDHW": "DHW", "NabcdC": "abcd", "NCabcd": "abcd"}
#: What stands for the formats that have no letters of their own.
DOTS = {"NabcdC": "N...C", "NCabcd": "NC..."}


@st.composite
def problems(
    draw: st.DrawFn, largest_size: int, formats: Mapping[str, str] = FORMATS
) -> dict[str, Any]:
    """Draws a data format and what each spatial axis has of its own."""
    data_format = draw(st.sampled_from(list(formats)))
    count = len(formats[data_format])

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(count))

    pairs = list(zip(each(0, 3), each(0, 3), strict=True))
    return {
        "data_format": data_format,
        "size": each(1, largest_size),
        "kernel": each(1, 4),
        "stride": each(1, 4),
        "rate": each(1, 3),
        "padding": draw(st.sampled_from(["SAME", "VALID", pairs])),
        "features": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
    }


def space_of(data_format: str) -> str:
    """Returns the letters of the spatial axes."""
    return data_format.replace("N", "").replace("C", "")


def shape(data_format: str, channels: int, size: tuple[int, ...]) -> list[int]:
    sizes = dict(zip(space_of(data_format), size, strict=True)) | {"N": 2, "C": channels}
    return [sizes[letter] for letter in data_format]


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("width", [1, 2], ids=["depthwise", "wide"])
@settings(max_examples=4)
@given(problems(largest_size=9))
def test_conv(groups: int, width: int, problem: dict[str, Any]) -> None:
    check_conv(groups, width, problem)


#: One problem for each way to compute more than two axes, quick enough to run each time.
CUBE = {
    "data_format": "NDHWC",
    "size": (4, 3, 5),
    "kernel": (2, 3, 2),
    "stride": (2, 1, 3),
    "rate": (2, 1, 1),
    "padding": [(1, 0), (2, 1), (0, 0)],
    "features": (1, 2),
}


@pytest.mark.parametrize(("groups", "width"), [(1, 2), (2, 1), (2, 2)])
def test_conv_over_three_axes(groups: int, width: int) -> None:
    check_conv(groups, width, CUBE)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("width", [1, 2], ids=["depthwise", "wide"])
@settings(max_examples=8)
@given(problems(largest_size=5, formats=MORE))
def test_conv_over_more_axes(groups: int, width: int, problem: dict[str, Any]) -> None:
    check_conv(groups, width, problem)


def check_conv(groups: int, width: int, problem: dict[str, Any]) -> None:
    """Fails unless a convolution is what XLA computes by itself."""
    data_format, rate = problem["data_format"], problem["rate"]
    reach = [(k - 1) * r + 1 for k, r in zip(problem["kernel"], rate, strict=True)]
    size = tuple(max(pair) for pair in zip(problem["size"], reach, strict=True))
    space, outs = space_of(data_format), groups * problem["features"][1]
    inputs = [
        normal(*shape(data_format, groups * width, size)),
        normal(*problem["kernel"], width, outs),
        normal(outs),
    ]
    along_channels = [-1 if letter == "C" else 1 for letter in data_format]

    def ours(x: Any, weight: Any, bias: Any) -> Any:
        options = {name: problem[name] for name in ("stride", "rate", "padding")}
        options["data_format"] = DOTS.get(data_format, data_format)
        return conv(x, weight, bias, feature_group_count=groups, **options)

    def theirs(x: Any, weight: Any, bias: Any) -> Any:
        y = jax.lax.conv_general_dilated(
            x,
            weight,
            problem["stride"],
            problem["padding"],
            rhs_dilation=rate,
            dimension_numbers=(data_format, f"{space}IO", data_format),
            feature_group_count=groups,
        )
        return y + bias.reshape(along_channels)

    assert_like_jax(ours, theirs, inputs)


@settings(max_examples=6)
@given(problems(largest_size=5))
def test_conv_transpose(problem: dict[str, Any]) -> None:
    data_format, stride, padding = problem["data_format"], problem["stride"], problem["padding"]
    if not isinstance(padding, str):  # leave something of the output
        padding = [
            (max(before, k - 1), after)
            for (before, after), k in zip(padding, problem["kernel"], strict=True)
        ]
    ins, outs = problem["features"]
    space = space_of(data_format)
    inputs = [
        normal(*shape(data_format, ins, problem["size"])),
        normal(*problem["kernel"], outs, ins),
        normal(outs),
    ]
    along_channels = [-1 if letter == "C" else 1 for letter in data_format]

    def ours(x: Any, weight: Any, bias: Any) -> Any:
        return conv_transpose(
            x, weight, bias, stride=stride, padding=padding, data_format=data_format
        )

    def theirs(x: Any, weight: Any, bias: Any) -> Any:
        formats = (data_format, f"{space}OI", data_format)
        y = jax.lax.conv_transpose(x, weight, stride, padding, dimension_numbers=formats)
        return y + bias.reshape(along_channels)

    assert_like_jax(ours, theirs, inputs)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("layer", "count"), [(hk.Conv1DTranspose, 1), (hk.Conv2DTranspose, 2)])
def test_conv_transpose_with_the_weight_of_haiku(layer: Any, count: int, padding: str) -> None:
    inputs = [normal(2, *(4, 5)[:count], 3), normal(*(3, 2)[:count], 6, 3), normal(6)]
    data_format = ("NWC", "NHWC")[count - 1]

    def ours(x: Any, weight: Any, bias: Any) -> Any:
        return conv_transpose(x, weight, bias, stride=2, padding=padding, data_format=data_format)

    def theirs(x: Any, weight: Any, bias: Any) -> Any:
        network = hk.transform(
            lambda x: layer(6, (3, 2)[:count], stride=2, padding=padding, name="layer")(x)
        )
        return network.apply({"layer": {"w": weight, "b": bias}}, None, x)

    assert_like_jax(ours, theirs, inputs)
