"""The contender dm-haiku."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.haiku import cnn, dense, recurrent, resnet, transformer
from benchmarks.contenders.haiku.task import Task
from benchmarks.sizes import sizes_of
from benchmarks.task import Absent

MODELS = {
    "identity": dense.identity,
    "dense": dense.dense,
    "mlp": dense.mlp,
    "cnn": cnn.cnn,
    "resnet": resnet.resnet,
    "resnet50": resnet.resnet,
    "transformer": transformer.transformer,
    "transformer_stacked": transformer.stacked,
    "lstm": recurrent.lstm,
    "gru": recurrent.gru,
}


def make(model: str, **sizes: Any) -> Task:
    if model not in MODELS:
        raise Absent(f"there is no {model} of haiku")
    return Task(MODELS[model], sizes_of(model, **sizes))
