"""Names and layouts of the arrays inside the layers: those of weights that old programs saved."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax

KEY = (2,)
FLAG = ()


def norm(*shape: int) -> dict[str, tuple[int, ...]]:
    """Returns the arrays of a batch norm."""
    return {
        "scale": shape,
        "offset": shape,
        **{f"ema_{of}.averages": shape for of in ("mean", "var")},
        **{f"ema_{of}.debias": FLAG for of in ("mean", "var")},
    }


def dense(in_dim: int, out_dim: int, name: str = "") -> dict[str, tuple[int, ...]]:
    """Returns the arrays of a dense layer."""
    return {f"{name}weight": (in_dim, out_dim), f"{name}bias": (out_dim,)}


#: What makes a layer, and the path and shape of each array in it.
LAYOUTS: dict[str, tuple[Callable[[], pax.Module], dict[str, tuple[int, ...]]]] = {
    "Linear": (lambda: pax.Linear(3, 5), dense(3, 5)),
    "Linear, no bias": (lambda: pax.Linear(3, 5, with_bias=False), {"weight": (3, 5)}),
    "Conv1D": (lambda: pax.Conv1D(4, 6, 3), {"weight": (3, 4, 6), "bias": (6,)}),
    "Conv1D, groups": (
        lambda: pax.Conv1D(4, 6, 3, data_format="NCW", feature_group_count=2),
        {"weight": (3, 2, 6), "bias": (6,)},
    ),
    "Conv2D": (lambda: pax.Conv2D(4, 6, (3, 2)), {"weight": (3, 2, 4, 6), "bias": (6,)}),
    "Conv2D, groups": (
        lambda: pax.Conv2D(4, 6, (3, 2), data_format="NCHW", feature_group_count=2),
        {"weight": (3, 2, 2, 6), "bias": (6,)},
    ),
    "Conv2D, no bias": (lambda: pax.Conv2D(4, 6, 1, with_bias=False), {"weight": (1, 1, 4, 6)}),
    "Conv2D, mask": (
        lambda: pax.Conv2D(4, 6, 3, mask=np.ones((3, 3, 1, 1), np.float32)),
        {"weight": (3, 3, 4, 6), "bias": (6,), "mask": (3, 3, 1, 1)},
    ),
    "Conv3D": (lambda: pax.Conv3D(4, 6, (3, 2, 1)), {"weight": (3, 2, 1, 4, 6), "bias": (6,)}),
    "ConvND": (
        lambda: pax.ConvND(4, 4, 6, 2, data_format="NC..."),
        {"weight": (2, 2, 2, 2, 4, 6), "bias": (6,)},
    ),
    "DepthwiseConv2D": (
        lambda: pax.DepthwiseConv2D(4, (3, 2), 2),
        {"weight": (3, 2, 1, 8), "bias": (8,)},
    ),
    "SeparableConv1D": (
        lambda: pax.SeparableConv1D(4, 6, 3, 2),
        {"depthwise.weight": (3, 1, 8), "pointwise.weight": (1, 8, 6), "pointwise.bias": (6,)},
    ),
    "Conv1DTranspose": (
        lambda: pax.Conv1DTranspose(4, 6, 3, data_format="NCW"),
        {"weight": (3, 6, 4), "bias": (6,)},
    ),
    "Conv2DTranspose": (
        lambda: pax.Conv2DTranspose(4, 6, (3, 2)),
        {"weight": (3, 2, 6, 4), "bias": (6,)},
    ),
    "Conv2DTranspose, groups": (
        lambda: pax.Conv2DTranspose(4, 6, (3, 2), feature_group_count=2),
        {"weight": (3, 2, 6, 2), "bias": (6,)},
    ),
    "Conv3DTranspose": (
        lambda: pax.Conv3DTranspose(4, 6, (3, 2, 1)),
        {"weight": (3, 2, 1, 6, 4), "bias": (6,)},
    ),
    "ConvNDTranspose": (
        lambda: pax.ConvNDTranspose(4, 4, 6, 2),
        {"weight": (2, 2, 2, 2, 6, 4), "bias": (6,)},
    ),
    "Conv2DTranspose, no bias": (
        lambda: pax.Conv2DTranspose(4, 6, 3, with_bias=False),
        {"weight": (3, 3, 6, 4)},
    ),
    "Embed": (lambda: pax.Embed(7, 3), {"weight": (7, 3)}),
    "LayerNorm": (lambda: pax.LayerNorm(4, -1, True, True), {"scale": (4,), "offset": (4,)}),
    "LayerNorm, offset": (lambda: pax.LayerNorm(4, 1, False, True), {"offset": (4,)}),
    "GroupNorm": (lambda: pax.GroupNorm(2, 4), {"scale": (4,), "offset": (4,)}),
    "GroupNorm, channels first": (
        lambda: pax.GroupNorm(2, 4, data_format="channels_first"),
        {"scale": (4,), "offset": (4,)},
    ),
    "BatchNorm1D": (lambda: pax.BatchNorm1D(4), norm(1, 1, 4)),
    "BatchNorm1D, NCW": (lambda: pax.BatchNorm1D(4, data_format="NCW"), norm(1, 4, 1)),
    "BatchNorm2D": (lambda: pax.BatchNorm2D(4), norm(1, 1, 1, 4)),
    "BatchNorm2D, NCHW": (lambda: pax.BatchNorm2D(4, data_format="NCHW"), norm(1, 4, 1, 1)),
    "EMA": (lambda: pax.EMA(jnp.zeros((2, 3)), 0.9), {"averages": (2, 3)}),
    "EMA, debias": (
        lambda: pax.EMA(jnp.zeros((2, 3)), 0.9, debias=True),
        {"averages": (2, 3), "debias": FLAG},
    ),
    "Dropout": (lambda: pax.Dropout(0.5), {"rng_key": KEY}),
    "RngSeq": (lambda: pax.RngSeq(1), {"_rng_key": KEY}),
    "VanillaRNN": (lambda: pax.VanillaRNN(3, 5), dense(3 + 5, 5, "fc.")),
    "LSTM": (lambda: pax.LSTM(3, 5), dense(3 + 5, 4 * 5, "fc.")),
    "GRU": (
        lambda: pax.GRU(3, 5),
        dense(3 + 5, 2 * 5, "xh_zr_fc.") | dense(3 + 5, 5, "xh_h_fc."),
    ),
    "MultiHeadAttention": (
        lambda: pax.MultiHeadAttention(2, 3, 1.0),
        dense(6, 6, "query_projection.")
        | dense(6, 6, "key_projection.")
        | dense(6, 6, "value_projection.")
        | dense(6, 6, "output_projection."),
    ),
    "Sequential": (
        lambda: pax.Sequential(pax.Linear(3, 5), jax.nn.relu, pax.Linear(5, 2)),
        dense(3, 5, "modules.0.") | dense(5, 2, "modules.2."),
    ),
}
OVER_LAYOUTS = pytest.mark.parametrize("name", LAYOUTS)


def flat(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by dotted path."""
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): x for path, x in paths}


def nested(arrays: dict[str, Any]) -> dict[str, Any]:
    """Returns a state dict of arrays given by dotted path; a path of numbers is a tuple."""
    out: dict[str, Any] = {}
    for path, x in arrays.items():
        inner, (*names, last) = out, path.split(".")
        for name in names:
            inner = inner.setdefault(name, {})
        inner[last] = x
    return out


@OVER_LAYOUTS
def test_paths_and_shapes(name: str) -> None:
    make, layout = LAYOUTS[name]
    assert {path: x.shape for path, x in flat(make().state_dict()).items()} == layout


@OVER_LAYOUTS
def test_saved_weights_load(name: str) -> None:
    make, layout = LAYOUTS[name]
    module, rng = make(), np.random.default_rng(5)
    old = flat(module.state_dict())
    arrays = {
        path: rng.integers(0, 99, shape).astype(old[path].dtype) for path, shape in layout.items()
    }
    state = nested(arrays)
    if "modules" in state:
        state["modules"] = (state["modules"]["0"], {}, state["modules"]["2"])
    loaded = flat(module.load_state_dict(state))
    assert loaded.keys() == arrays.keys()
    for path, x in loaded.items():
        np.testing.assert_array_equal(x, arrays[path])


def test_a_flag_of_the_averages_is_a_float() -> None:
    assert pax.EMA(1.0, 0.9, debias=True).state_dict()["debias"].dtype == jnp.float32
    assert pax.EMA(1.0, 0.9).debias is None


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_transposed_kernel_is_as_jax_takes_it(padding: str) -> None:
    layer = pax.Conv2DTranspose(4, 6, (3, 2), stride=(2, 1), padding=padding, with_bias=False)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5, 4, 4)).astype(np.float32))
    expected = jax.lax.conv_transpose(
        x, layer.weight, (2, 1), padding, dimension_numbers=("NHWC", "HWOI", "NHWC")
    )
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)
    flipped = layer.replace(weight=layer.weight[::-1, ::-1])
    assert not np.allclose(flipped(x), expected, atol=1e-2)


def test_heads_are_runs_of_the_last_axis() -> None:
    """Each head sees its own part of the width, the first head the first part."""
    num_heads, key_size = 2, 3
    attention = pax.MultiHeadAttention(num_heads, key_size, 1.0)
    width = num_heads * key_size
    attention = attention.apply_submodules(lambda fc: fc.replace(weight=jnp.eye(width)))
    q, k, v = np.random.default_rng(1).standard_normal((3, 1, 4, width)).astype(np.float32)
    y = attention(q, k, v)
    for head in range(num_heads):
        part = slice(head * key_size, (head + 1) * key_size)
        scores = q[0, :, part] @ k[0, :, part].T / math.sqrt(key_size)
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        np.testing.assert_allclose(y[0, :, part], weights @ v[0, :, part], rtol=1e-5, atol=1e-5)


def test_functions_of_a_sequence_are_wrapped() -> None:
    net = pax.Sequential(pax.Linear(3, 5), jax.nn.relu)
    assert isinstance(net.modules, tuple)
    assert type(net.modules[1]) is pax.Lambda
    assert net.modules[1].func is jax.nn.relu


@pytest.mark.parametrize("make", [pax.BatchNorm1D, pax.BatchNorm2D])
def test_averages_that_were_saved_without_a_flag_load(make: Callable[[int], Any]) -> None:
    norm = make(3)
    x = jnp.asarray(
        np.random.default_rng(0).normal(size=(4, *(5, 5)[: len(norm.data_format) - 2], 3))
    )
    trained, _ = pax.purecall(norm, x)
    saved = trained.state_dict()
    for average in ("ema_mean", "ema_var"):
        del saved[average]["debias"]
    loaded = norm.load_state_dict(saved)
    assert loaded.ema_mean.debias == 0.0
    pax.assert_structure_equal(loaded, trained)
    for again in (loaded, trained):
        after, y = pax.purecall(again, 2 * x)
        np.testing.assert_array_equal(y, pax.purecall(trained, 2 * x)[1])
        np.testing.assert_array_equal(
            after.ema_mean.averages, pax.purecall(trained, 2 * x)[0].ema_mean.averages
        )
    del saved["ema_mean"]["averages"]
    with pytest.raises(pax.StructureError, match=r"ema_mean\.averages: missing"):
        norm.load_state_dict(saved)
