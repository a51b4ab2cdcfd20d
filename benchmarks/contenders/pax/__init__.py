"""The contender pax."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.attention import AttentionTask
from benchmarks.contenders.pax import (
    attention,
    cnn,
    decoding,
    dense,
    recurrent,
    resnet,
    transformer,
)
from benchmarks.contenders.pax.flat import Flat
from benchmarks.contenders.pax.task import Task
from benchmarks.sizes import sizes_of
from benchmarks.task import Absent

MODELS = {
    "identity": dense.identity,
    "dense": dense.Dense,
    "dense_flat": dense.Dense,
    "mlp": dense.MLP,
    "cnn": cnn.CNN,
    "resnet": resnet.ResNet,
    "resnet50": resnet.ResNet,
    "transformer": transformer.transformer,
    "transformer_stacked": transformer.Stacked,
    "lstm": recurrent.lstm,
    "gru": recurrent.gru,
    "lstm_cell": recurrent.lstm_cell,
    "gru_cell": recurrent.gru_cell,
}

#: Trained by a function of `jax.jit` that takes the module as it is; the others as pax recommends.
AS_ARGUMENTS = ("identity", "dense")

ATTENTION = {"attention": attention.attend}


def make(model: str, **sizes: Any) -> Task | AttentionTask | decoding.DecodingTask:
    if model in decoding.BUILD:
        return decoding.DecodingTask(model, sizes_of(model, **sizes))
    if model in ATTENTION:
        return AttentionTask(ATTENTION[model], sizes_of(model, **sizes))
    if model not in MODELS:
        raise Absent(f"there is no {model} of pax")
    kind = Task if model in AS_ARGUMENTS else Flat
    return kind(MODELS[model], sizes_of(model, **sizes))
