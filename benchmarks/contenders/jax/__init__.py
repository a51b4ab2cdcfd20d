"""Hand-written JAX: nested dicts of arrays and functions of them, as a good user writes it."""

from __future__ import annotations

from typing import Any

from benchmarks.contenders.attention import AttentionTask
from benchmarks.contenders.jax import attention, cnn, dense, gru, lstm, resnet, transformer
from benchmarks.contenders.jax.flat import Flat
from benchmarks.contenders.jax.task import Task
from benchmarks.sizes import sizes_of

MODELS = {
    "identity": dense.IDENTITY,
    "dense": dense.DENSE,
    "dense_flat": dense.DENSE,
    "mlp": dense.MLP,
    "cnn": cnn.CNN,
    "resnet": resnet.RESNET,
    "resnet50": resnet.RESNET,
    "transformer": transformer.TRANSFORMER,
    "transformer_stacked": transformer.STACKED,
    "lstm": lstm.LSTM,
    "lstm_cell": lstm.CELL,
    "gru": gru.GRU,
    "gru_cell": gru.CELL,
}

ATTENTION = {"attention": attention.quadratic, "attention_library": attention.of_jax_nn}


def make(model: str, **sizes: Any) -> Task | AttentionTask:
    if model in ATTENTION:
        return AttentionTask(ATTENTION[model], sizes_of(model, **sizes))
    kind = Flat if model.endswith("_flat") else Task
    return kind(MODELS[model], sizes_of(model, **sizes))
