"""The rows of what is linear in its state: cells, functions, and networks of them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

import pax
from tests.catalogue_nets import KINKS, WHOLE_BATCH, averages, dense, norms
from tests.contracts.case import Case, Draw
from tests.contracts.draws import arguments, integers, normal
from tests.contracts.rows import INTEGERS, PRODUCTS, SHARED_ARGUMENT, WEIGHTS, array_function, row


def between(*axes: int, batched: bool = True) -> Draw:
    """Draws one array of numbers between 0 and 1."""

    def draw(rng: np.random.Generator, dtype: Any, batch: int) -> tuple[Any, ...]:
        shape = (batch, *axes) if batched else axes
        return (jax.device_put(np.asarray(rng.uniform(0.2, 0.9, shape)).astype(dtype)),)

    return draw


min_gru = functools.partial(row, "MinGRU", without=WEIGHTS)
min_lstm = functools.partial(row, "MinLSTM", without=WEIGHTS)
diagonal = functools.partial(row, "DiagonalSSM", without=WEIGHTS)
attention = functools.partial(row, "GatedLinearAttention", without=WEIGHTS)
FC = "fc.weight fc.bias"
STEP = arguments(normal(4), normal(3))
SSM = "input_projection.weight output_projection.weight log_rate frequency log_step skip"
HEADS = " ".join(
    [
        "query_projection.weight key_projection.weight value_projection.weight",
        "decay_projections.0.weight decay_projections.1.weight decay_projections.1.bias",
        "gate_projection.weight gate_projection.bias norm.scale norm.offset",
        "output_projection.weight",
    ]
)
OPTIONS: dict[str, Any] = {"decay_rank": 3, "temperature": 4.0, "name": "attention"}


def read(name: str, make: Any, arrays: str) -> Case:
    """Returns the row of a cell over sequences."""
    paths = " ".join(f"cell.{path}" for path in arrays.split())
    sequence = normal(5, 3)
    return Case(
        "RNN",
        name,
        lambda key: pax.RNN(make(rng_key=key)),
        sequence,
        paths,
        without=WEIGHTS,
        slow=True,
    )


LINEAR_CELLS = [
    min_gru("", (3, 4), STEP, FC, name="gru"),
    min_lstm("", (3, 4), STEP, FC, name="lstm", slow=True),
    diagonal("", (3, 2), STEP, SSM, min_step=0.01, max_step=0.5, name="ssm", slow=True),
    attention("", (3, 2, 2), arguments(normal(2, 2, 2), normal(3)), HEADS, slow=True),
    attention(
        "wide values, own decay",
        (3, 2, 2, 4),
        arguments(normal(2, 2, 4), normal(3)),
        HEADS,
        **OPTIONS,
        slow=True,
    ),
    read("MinGRU", functools.partial(pax.MinGRU, 3, 4), FC),
    read("MinLSTM", functools.partial(pax.MinLSTM, 3, 4), FC),
    read("DiagonalSSM", functools.partial(pax.DiagonalSSM, 3, 2), SSM),
    read("GatedLinearAttention", functools.partial(pax.GatedLinearAttention, 3, 2, 2, 4), HEADS),
]

RECURRENCE = arguments(between(5, 3), normal(5, 3))
KEYS = arguments(*[normal(5, 2, 3)] * 2, normal(5, 2, 4), between(5, 2, 3), normal(2, 3, 4))
SCAN = arguments(
    normal(5, 3), between(5, 3), between(2, 3, batched=False), normal(5, 2), normal(5, 2)
)

RATES = PRODUCTS | SHARED_ARGUMENT | {"large": "a state that grows so fast is not finite"}

LINEAR_FUNCTIONS = [
    array_function("functional.linear_recurrence", "", RECURRENCE, axis=1, without=PRODUCTS),
    array_function(
        "functional.linear_recurrence",
        "parallel",
        RECURRENCE,
        axis=1,
        implementation="parallel",
        without=PRODUCTS,
        slow=True,
    ),
    array_function("functional.gated_linear_attention", "", KEYS, without=PRODUCTS, slow=True),
    array_function(
        "functional.gated_linear_attention",
        "parallel",
        KEYS,
        implementation="parallel",
        without=PRODUCTS,
        slow=True,
    ),
    array_function("functional.selective_scan", "", SCAN, without=RATES, slow=True),
    array_function(
        "functional.selective_scan",
        "parallel",
        SCAN,
        implementation="parallel",
        without=RATES,
        slow=True,
    ),
]


IN_MAMBA = (
    "norm.scale in_projection.weight conv.weight conv.bias selection.weight",
    "step_projection.weight step_projection.bias log_rate skip out_projection.weight",
)
MAMBA = " ".join(f"blocks.stacked.{name}" for name in " ".join(IN_MAMBA).split())
MAMBA_SIZES: dict[str, Any] = {
    "state_dim": 2,
    "expansion": 1,
    "conv_width": 3,
    "step_rank": 2,
    "name": "mamba",
}
WAVENET_SIZES: dict[str, Any] = {
    "channels": 3,
    "layers_per_stack": 2,
    "stacks": 1,
    "kernel_size": 3,
    "skip_channels": 4,
}
CRNN = " ".join(
    [
        dense(*(f"convs.{i}" for i in range(7))),
        norms(*(f"norms.{i}" for i in (4, 5, 6))),
        dense(*(f"readers.{i}.{way}.cell.fc" for i in (0, 1) for way in ("forward", "backward"))),
        dense("outputs.0", "outputs.1"),
    ]
)


def wavenet(*conditions: str) -> str:
    """Returns the paths of the arrays of two layers; the last has no residual."""
    layers = [
        f"{dense('layers.0.conv')} {conditions[0]} {dense('layers.0.residual', 'layers.0.skip')}",
        f"{dense('layers.1.conv')} {conditions[1]} {dense('layers.1.skip')}",
    ]
    return " ".join(["embed.weight", *layers, dense("output1", "output2")])


def mamba(key: Any) -> Any:
    """Builds a Mamba whose vectors are of size 1, so that its gradients are not tiny."""
    net: Any = pax.nets.Mamba(7, 4, 2, **MAMBA_SIZES, rng_key=key)
    return net.replace(embed=pax.Embed(7, 4, rng_key=jax.random.split(key)[0]))


LINEAR_NETS = [
    Case(
        "nets.Mamba",
        "",
        mamba,
        integers(7, 5),
        f"embed.weight {MAMBA} norm.scale",
        without=WEIGHTS | INTEGERS,
        slow=True,
    ),
    row(
        "nets.WaveNet",
        "",
        (7,),
        integers(7, 5),
        wavenet("", ""),
        **WAVENET_SIZES,
        without=WEIGHTS | INTEGERS | KINKS,
        slow=True,
    ),
    row(
        "nets.WaveNet",
        "condition",
        (7,),
        arguments(integers(7, 5), normal(5, 2)),
        wavenet("layers.0.condition.weight", "layers.1.condition.weight"),
        **WAVENET_SIZES,
        condition_dim=2,
        name="voice",
        without=WEIGHTS | KINKS,
        slow=True,
    ),
    row(
        "nets.CRNN",
        "",
        (2, 3),
        normal(32, 12, 2),
        CRNN,
        averages(*(f"norms.{i}" for i in (4, 5, 6))),
        base_channels=1,
        hidden_dim=2,
        data_format="NHWC",
        name="reader",
        changes=True,
        without=WEIGHTS | KINKS | WHOLE_BATCH,
        slow=True,
    ),
]
