"""The contender pax."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.pax import cnn, dense, recurrent, resnet, transformer
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
    "lstm_cell": recurrent.lstm_cell,
    "gru_cell": recurrent.gru_cell,
}


def make(model: str, **sizes: Any) -> Task:
    if model not in MODELS:
        raise Absent(f"pax has no {model}")
    kind = Flat if model.endswith("_flat") else Task
    return kind(MODELS[model], sizes_of(model, **sizes))
