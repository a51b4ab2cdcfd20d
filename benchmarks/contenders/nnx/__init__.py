"""The contender flax.nnx."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.nnx import cnn, dense, recurrent, resnet, transformer
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


def make(model: str, **sizes: Any) -> Task:
    if model not in MODELS:
        raise Absent(f"there is no {model} of flax.nnx")
    return Task(MODELS[model], sizes_of(model, **sizes))
