"""Arguments of constructors that cannot be right: errors that programs of any age catch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import pax

#: One bad argument for each layer.
BAD: dict[str, Callable[[], Any]] = {
    "Linear": lambda: pax.Linear(0, 3),
    "Dropout": lambda: pax.Dropout(1.5),
    "DropPath": lambda: pax.DropPath(1.5),
    "SpatialDropout": lambda: pax.SpatialDropout(0.5, data_format="NHWC"),
    "AlphaDropout": lambda: pax.AlphaDropout(-1),
    "DropBlock": lambda: pax.DropBlock(0.1, 0),
    "GaussianNoise": lambda: pax.GaussianNoise(-0.1),
    "Embed": lambda: pax.Embed(3, 0),
    "Conv1D": lambda: pax.Conv1D(2, 3, 3, data_format="NHWC"),
    "Conv2D": lambda: pax.Conv2D(3, 4, 3, feature_group_count=2),
    "Conv3D": lambda: pax.Conv3D(3, 4, 3, padding="CAUSAL"),
    "ConvND": lambda: pax.ConvND(0, 3, 4, 3),
    "DepthwiseConv1D": lambda: pax.DepthwiseConv1D(2, 3, 0),
    "DepthwiseConv2D": lambda: pax.DepthwiseConv2D(2, 3, padding="CAUSAL"),
    "DepthwiseConv3D": lambda: pax.DepthwiseConv3D(2, 3, mask=np.ones((3, 3, 3))),
    "SeparableConv1D": lambda: pax.SeparableConv1D(2, 0, 3),
    "SeparableConv2D": lambda: pax.SeparableConv2D(2, 3, (3, 3, 3)),
    "Conv1DTranspose": lambda: pax.Conv1DTranspose(2, 3, 3, padding="FULL"),
    "Conv2DTranspose": lambda: pax.Conv2DTranspose(2, 3, (3, 3, 3)),
    "Conv3DTranspose": lambda: pax.Conv3DTranspose(2, 3, 3, output_padding=1),
    "ConvNDTranspose": lambda: pax.ConvNDTranspose(2.0, 2, 3, 3),  # type: ignore[arg-type]
    "BatchNorm1D": lambda: pax.BatchNorm1D(3, data_format="NHWC"),
    "BatchNorm2D": lambda: pax.BatchNorm2D(3, decay_rate=2.0),
    "LayerNorm": lambda: pax.LayerNorm(3, "time", True, True),
    "GroupNorm": lambda: pax.GroupNorm(2, 3),
    "BatchNorm3D": lambda: pax.BatchNorm3D(3, data_format="NHWC"),
    "RMSNorm": lambda: pax.RMSNorm(3, scale_init="ones"),  # type: ignore[arg-type]
    "InstanceNorm": lambda: pax.InstanceNorm(0),
    "LocalResponseNorm": lambda: pax.LocalResponseNorm(5, k=0.0),
    "GRN": lambda: pax.GRN(3, data_format="NHWC"),
    "AvgPool": lambda: pax.AvgPool((2, 2), padding=[(1, 1)]),
    "LpPool": lambda: pax.LpPool(0.5, 2),
    "MaxPool": lambda: pax.MaxPool(2, padding="FULL"),
    "MinPool": lambda: pax.MinPool(2, strides=0),
    "BlurPool": lambda: pax.BlurPool((3, 3), (2,)),
    "Unfold": lambda: pax.Unfold(2, rate=0),
    "Fold": lambda: pax.Fold((4, 4), (2,)),
    "AdaptiveAvgPool": lambda: pax.AdaptiveAvgPool((2, 0)),
    "AdaptiveMaxPool": lambda: pax.AdaptiveMaxPool(()),
    "GlobalAvgPool": lambda: pax.GlobalAvgPool(data_format="NHWC"),
    "GlobalMaxPool": lambda: pax.GlobalMaxPool(data_format="channels_last"),
    "PixelShuffle": lambda: pax.PixelShuffle(0),
    "PixelUnshuffle": lambda: pax.PixelUnshuffle((2, 0.5)),  # type: ignore[arg-type]
    "Upsample": lambda: pax.Upsample(2, align_corners=True),
    "WeightNorm": lambda: pax.WeightNorm(jax.nn.relu),  # type: ignore[arg-type]
    "SpectralNorm": lambda: pax.SpectralNorm(pax.Linear(2, 3), num_steps=0),
    "WeightStandardization": lambda: pax.WeightStandardization(pax.Linear(2, 3), eps=0.0),
    "VanillaRNN": lambda: pax.VanillaRNN(-1, 3),
    "LSTM": lambda: pax.LSTM(2, 3, forget_gate_bias=None),  # type: ignore[arg-type]
    "MGU": lambda: pax.MGU(0, 3),
    "ConvLSTM": lambda: pax.ConvLSTM((3,), 4, 3),
    "GRU": lambda: pax.GRU(2, 1.5),  # type: ignore[arg-type]
    "MinGRU": lambda: pax.MinGRU(0, 3),
    "MinLSTM": lambda: pax.MinLSTM(2, 0),
    "DiagonalSSM": lambda: pax.DiagonalSSM(2, 3, min_step=0.2),
    "GatedLinearAttention": lambda: pax.GatedLinearAttention(4, 2, 3, temperature=0.0),
    "MultiHeadAttention": lambda: pax.MultiHeadAttention(0, 2, 1.0),
    "RotaryEmbed": lambda: pax.RotaryEmbed(5),
    "Alibi": lambda: pax.Alibi(0),
    "AdditiveAttention": lambda: pax.AdditiveAttention(0, 2, 3),
    "RelativePositionBias": lambda: pax.RelativePositionBias(32, 8, 4),
    "RNN": lambda: pax.RNN(pax.Linear(2, 3)),
    "Bidirectional": lambda: pax.Bidirectional(pax.GRU(2, 3), None),
    "StackedRNN": lambda: pax.StackedRNN([pax.GRU(2, 3)]),
    "Stack": lambda: pax.Stack(pax.Linear(2, 2), 3),
    "Sequential": lambda: pax.Sequential([pax.Linear(2, 3)]),  # type: ignore[arg-type]
    "GLU": lambda: pax.GLU(3, 0),
    "SwiGLU": lambda: pax.SwiGLU(0, 3),
    "GeGLU": lambda: pax.GeGLU(3, 3, with_bias=None),  # type: ignore[arg-type]
    "PReLU": lambda: pax.PReLU(0),
    "Bilinear": lambda: pax.Bilinear(2, 3, 0),
    "EinsumLinear": lambda: pax.EinsumLinear("a b", {}),
    "Flatten": lambda: pax.Flatten(None),  # type: ignore[arg-type]
    "Reshape": lambda: pax.Reshape(10),  # type: ignore[arg-type]
    "BatchApply": lambda: pax.BatchApply(pax.Linear(2, 3), 0),
    "EmbeddingBag": lambda: pax.EmbeddingBag(3, 2, "median"),
    "PositionEmbed": lambda: pax.PositionEmbed(0, 2),
    "SinusoidalEmbed": lambda: pax.SinusoidalEmbed(3),
    "FourierEmbed": lambda: pax.FourierEmbed(1, 3),
    "MLP": lambda: pax.MLP((3,)),
    "MixtureOfExperts": lambda: pax.MixtureOfExperts(3, 2, lambda: pax.Linear(3, 3), top_k=3),
    "TransformerBlock": lambda: pax.TransformerBlock(pax.Linear(3, 3), pax.MLP((3, 3))),  # type: ignore[arg-type]
    "TransformerEncoder": lambda: pax.TransformerEncoder(8, 3, 2),
    "TransformerDecoder": lambda: pax.TransformerDecoder(8, 2, 0),
    "PatchEmbed": lambda: pax.PatchEmbed(3, 8, (4, 0)),
    "Residual": lambda: pax.Residual(None),  # type: ignore[arg-type]
    "Parallel": lambda: pax.Parallel([pax.Linear(2, 3)]),  # type: ignore[arg-type]
    "Concatenate": lambda: pax.Concatenate(),
    "RngSeq": lambda: pax.RngSeq("1"),  # type: ignore[arg-type]
    "Lambda": lambda: pax.Lambda(3),  # type: ignore[arg-type]
    "EMA": lambda: pax.EMA(1, 0.9),
}


@pytest.mark.parametrize("caught", [ValueError, AssertionError, pax.ArgumentError])
@pytest.mark.parametrize("layer", BAD)
def test_they_are_caught_as_either(layer: str, caught: type, unchecked: None) -> None:
    with pytest.raises(caught) as error:
        BAD[layer]()
    assert str(error.value).startswith(f"{layer} got ")
    assert "\n  fix: " in str(error.value)


def test_every_layer_is_here() -> None:
    layers = {
        name
        for name, value in vars(pax).items()
        if inspect.isclass(value) and value.__module__.startswith("pax.nn.")
        if issubclass(value, pax.Module) and name != "Identity"  # it takes no argument to refuse
    }
    assert layers == set(BAD)
