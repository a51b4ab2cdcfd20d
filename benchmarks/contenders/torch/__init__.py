"""The contender PyTorch, eager, on the CPU and with as many threads as it takes by itself."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.torch import (
    attention,
    cnn,
    decoding,
    dense,
    recurrent,
    resnet,
    transformer,
)
from benchmarks.contenders.torch.task import Task
from benchmarks.sizes import sizes_of
from benchmarks.task import Absent

MODELS = {
    "identity": dense.identity,
    "dense": dense.dense,
    "mlp": dense.mlp,
    "cnn": cnn.CNN,
    "resnet": resnet.ResNet,
    "resnet50": resnet.ResNet,
    "transformer": transformer.Transformer,
    "lstm": recurrent.LSTM,
    "gru": recurrent.GRU,
}


def make(model: str, **sizes: Any) -> Task | attention.AttentionTask | decoding.DecodingTask:
    if model.startswith("decoding"):
        return decoding.DecodingTask(sizes_of(model, **sizes))
    if model == "attention":
        return attention.AttentionTask(sizes_of(model, **sizes))
    if model not in MODELS:
        raise Absent(f"there is no {model} of torch")
    return Task(MODELS[model], sizes_of(model, **sizes))
