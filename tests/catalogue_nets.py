"""The rows of the catalogue that are whole networks."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pax
from pax.experimental.graph import GraphModule, InputNode
from tests.contracts.case import Case
from tests.contracts.draws import arguments, integers, normal, seen
from tests.contracts.rows import INTEGERS, row

PRODUCTS = {"huge": "its products are beyond float16"}
WEIGHTS = PRODUCTS | {"free construction": "weights are drawn"}
KINKS = {"smooth": "relu and max have kinks, which finite differences step over"}
WHOLE_BATCH = {
    "rows": "the statistics are those of the whole batch",
    "empty": "an empty batch has no statistics; it is refused",
}
WHOLE_MASK = {"rows": "the mask of dropped elements is drawn for the whole input"}

#: The networks of a fixed size, too large for the contracts: the examples of their docstrings
#: build them without their arrays, and count their parameters.
SIZED = [f"nets.ResNet{size}" for size in (18, 34, 50, 101, 152, 200)]

GATES = ("xh_zr_fc", "xh_h_fc")


def resnet(key: Any, **options: Any) -> Any:
    """Builds a ResNet of one block that reads 2 channels; its last weights are not zero."""
    key, logits_key = jax.random.split(key)
    net: Any = pax.nets.ResNet(2, (1,), 3, channels_per_group=(4,), rng_key=key, **options)
    return net.replace(logits=pax.Linear(4, 3, rng_key=logits_key))


def dense(*names: str) -> str:
    """Returns the paths of the arrays of layers with weight and bias."""
    return " ".join(f"{name}.{array}" for name in names for array in ("weight", "bias"))


def norms(*names: str) -> str:
    """Returns the paths of the parameters of norms."""
    return " ".join(f"{name}.{array}" for name in names for array in ("scale", "offset"))


def averages(*names: str) -> str:
    """Returns the paths of the averages of batch norms."""
    kept = [f"ema_{of}.{array}" for of in ("mean", "var") for array in ("averages", "debias")]
    return " ".join(f"{name}.{array}" for name in names for array in kept)


CELLS = [f"encoder.{side}.cell.{fc}" for side in ("forward", "backward") for fc in GATES]
SEQ2SEQ = " ".join(
    [
        f"source_embed.weight {dense(*CELLS)} {dense('bridge')} target_embed.weight",
        f"{dense('attention.query_projection')} attention.key_projection.weight attention.weight",
        dense(*(f"cell.{fc}" for fc in GATES), "logits"),
    ]
)


def translate(net: Any, source: Any, target: Any, last: Any) -> Any:
    """Calls a network on sources that end at place `last`."""
    return net(source, target, last + 1)


BLOCK = "block_groups.0.blocks.0"
V1_NORMS = [
    "initial_batchnorm",
    *(f"{BLOCK}.{name}" for name in ("proj_batchnorm", "layers.0.1", "layers.1.1")),
]
V1 = " ".join(
    [
        f"initial_conv.weight {norms(V1_NORMS[0])}",
        f"{BLOCK}.proj_conv.weight {norms(V1_NORMS[1])}",
        f"{BLOCK}.layers.0.0.weight {norms(V1_NORMS[2])}",
        f"{BLOCK}.layers.1.0.weight {norms(V1_NORMS[3])}",
        dense("logits"),
    ]
)
V2_NORMS = [*(f"{BLOCK}.layers.{i}.1" for i in range(3)), "final_batchnorm"]
V2 = " ".join(
    [
        f"initial_conv.weight {BLOCK}.proj_conv.weight",
        *(f"{BLOCK}.layers.{i}.0.weight {norms(V2_NORMS[i])}" for i in range(3)),
        norms(V2_NORMS[3]),
        dense("logits"),
    ]
)
V2_OPTIONS: dict[str, Any] = {
    "bn_config": {"decay_rate": 0.5},
    "resnet_v2": True,
    "strides": (2,),
    "use_projection": (True,),
    "data_format": "NHWC",
    "name": "resnet",
}

ATTENTION = [f"{part}_projection" for part in ("query", "key", "value", "output")]
TRANSFORMER = " ".join(
    [
        dense(*(f"layers.0.attention.{part}" for part in ATTENTION)),
        norms("layers.0.attn_layer_norm"),
        dense("layers.0.dense_block.fc1", "layers.0.dense_block.fc2"),
        norms("layers.0.dense_layer_norm", "layer_norm_output"),
    ]
)
SEQUENCE_AND_PADDING = arguments(normal(3, 4), seen(3, batched=True))


def graph(key: Any) -> Any:
    """Builds a graph of two inputs: layers with state, functions, numbers, a value used twice."""
    x = InputNode(np.zeros((1, 4, 3), np.float32))
    y = InputNode(np.zeros((1, 4, 4), np.float32))
    h = x >> pax.Conv1D(3, 4, 3, rng_key=key) >> pax.BatchNorm1D(4)
    joined = ((h >> jax.nn.gelu) & (y >> pax.Dropout(0.3)) & 0.5 * h) >> jnp.concatenate
    return GraphModule([x, y], joined, name="graph")


def graph_of_arrays(key: Any) -> Any:
    """Builds a graph with an array among the operands and two outputs."""
    x = InputNode(np.zeros((1, 3), np.float32))
    h = x >> pax.Linear(3, 4, rng_key=key) >> jnp.tanh
    return GraphModule(x, h * jnp.array([[0.5, 1.0, 1.5, 2.0]]) & -x)


NETS = [
    Case(
        "nets.ResNet",
        "",
        lambda key: resnet(key, bottleneck=False, strides=(1,)),
        normal(2, 8, 8),
        V1,
        averages(*V1_NORMS),
        changes=True,
        without=WEIGHTS | KINKS | WHOLE_BATCH,
        slow=True,
    ),
    Case(
        "nets.ResNet",
        "version 2, bottleneck, channels last",
        lambda key: resnet(key, **V2_OPTIONS),
        normal(8, 8, 2),
        V2,
        averages(*V2_NORMS),
        changes=True,
        without=WEIGHTS | KINKS | WHOLE_BATCH,
        slow=True,
    ),
    Case(
        "nets.Transformer",
        "",
        lambda key: pax.nets.Transformer(4, 2, 1, 0.4, rng_key=key, name="decoder"),
        SEQUENCE_AND_PADDING,
        TRANSFORMER,
        "rng_seq._rng_key",
        changes=True,
        without=WEIGHTS | WHOLE_MASK,
        slow=True,
    ),
    Case(
        "experimental.graph.GraphModule",
        "",
        graph,
        arguments(normal(4, 3), normal(4, 4)),
        "modules.0.weight modules.0.bias modules.1.scale modules.1.offset",
        averages("modules.1") + " modules.2.rng_key",
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
    ),
    Case(
        "experimental.graph.GraphModule",
        "arrays",
        graph_of_arrays,
        normal(3),
        dense("modules.0"),
        "constants.0",
        without=WEIGHTS,
        slow=True,
    ),
    row(
        "nets.Seq2Seq",
        "",
        (7, 5),
        arguments(integers(7, 4), integers(5, 3), integers(4)),
        SEQ2SEQ,
        call=translate,
        without=WEIGHTS | INTEGERS,
        slow=True,
        embed_dim=2,
        hidden_dim=3,
        name="translator",
    ),
]
