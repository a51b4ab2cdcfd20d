"""The contender flax.nnx."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.attention import AttentionTask
from benchmarks.contenders.nnx import attention, cnn, dense, recurrent, resnet, transformer
from benchmarks.contenders.nnx.task import Task
from benchmarks.sizes import sizes_of
from benchmarks.task import Absent

MODELS = {
    "identity": dense.Identity,
    "dense": dense.Dense,
    "mlp": dense.MLP,
    "cnn": cnn.CNN,
    "resnet": resnet.ResNet,
    "resnet50": resnet.ResNet,
    "transformer": transformer.Transformer,
    "transformer_stacked": transformer.Stacked,
    "lstm": recurrent.LSTM,
    "gru": recurrent.GRU,
}

ATTENTION = {"attention": attention.attend}


def make(model: str, **sizes: Any) -> Task | AttentionTask:
    if model in ATTENTION:
        return AttentionTask(ATTENTION[model], sizes_of(model, **sizes))
    if model not in MODELS:
        raise Absent(f"there is no {model} of flax.nnx")
    return Task(MODELS[model], sizes_of(model, **sizes))
