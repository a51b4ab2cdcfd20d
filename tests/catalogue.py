"""The table of every public layer; the contracts run it."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

import pax
from tests.catalogue_attention_layers import ATTENTION, POSITIONS
from tests.catalogue_convolution import CONVOLUTIONS
from tests.catalogue_dense import ACTIVATIONS, COMBINED, DENSE, EMBEDDINGS, INITS, SHAPED
from tests.catalogue_image import IMAGE_LAYERS
from tests.catalogue_image_nets import IMAGE_NETS
from tests.catalogue_language_models import LANGUAGE_MODELS
from tests.catalogue_linear_recurrence import LINEAR_CELLS, LINEAR_NETS
from tests.catalogue_nets import NETS
from tests.catalogue_normalization import AVERAGES, NORMS
from tests.catalogue_regularization import REGULARISERS
from tests.catalogue_sequences import CELLS, SEQUENCES
from tests.catalogue_transformer import TRANSFORMERS
from tests.contracts.case import Case
from tests.contracts.draws import (
    arguments,
    integers,
    normal,
    nothing,
    packed,
    unbatched,
)
from tests.contracts.rows import (
    DOES_NOTHING,
    INTEGERS,
    NO_BATCH,
    WEIGHTS,
    WHOLE_BATCH,
    row,
)

rnn = functools.partial(row, "VanillaRNN", without=WEIGHTS)
gru = functools.partial(row, "GRU", without=WEIGHTS)
lstm = functools.partial(row, "LSTM", without=WEIGHTS)
FC = "fc.weight fc.bias"
GATES = "xh_zr_fc.weight xh_zr_fc.bias xh_h_fc.weight xh_h_fc.bias"
LSTM_STEP = arguments(packed(pax.LSTMState, normal(4), normal(4)), normal(3))
OWN_LSTM: dict[str, Any] = {"w_init": INITS["w_init"], "forget_gate_bias": 1.0, "name": "lstm"}

RECURRENT = [
    rnn("", (3, 4), arguments(packed(pax.VanillaRNNState, normal(4)), normal(3)), FC, name="rnn"),
    gru("", (3, 4), arguments(packed(pax.GRUState, normal(4)), normal(3)), GATES, name="gru"),
    lstm("", (3, 4), LSTM_STEP, FC),
    lstm("own initializer, forget bias", (3, 4), LSTM_STEP, FC, **OWN_LSTM),
    *CELLS,
]

average = functools.partial(row, "EMA", changes=True, without=NO_BATCH)
rng_seq = functools.partial(row, "RngSeq", changes=True)
identity = functools.partial(row, "Identity", without=DOES_NOTHING)
function = functools.partial(row, "Lambda")
NO_CALL = {
    "gradient": "keys are integers",
    "still": "the stream goes on in every mode",
    "operations": "a method of its own makes the keys",
}
KEYS = NO_BATCH | INTEGERS | NO_CALL
COUNTS = NO_BATCH | INTEGERS | DOES_NOTHING | {"gradient": "integers are not averaged"}
PARTIAL = {"pickle": "a functools.partial equals nothing but itself"}
FIRST = jnp.array([1.0, 2.0, 3.0])
TREE = packed(lambda a, b: {"a": a, "b": [b]}, unbatched(3), unbatched())


def two_keys(module: Any) -> Any:
    """Calls a `RngSeq`."""
    return module.next_rng_key(2)


SMALL = [
    average("", (FIRST, 0.9), unbatched(3), "", "averages"),
    average("debias", (FIRST, 0.9, True), unbatched(3), "", "averages debias"),
    average("tree", ({"a": FIRST, "b": [0.0]}, 0.9), TREE, "", "averages.a averages.b.0"),
    average(
        "int", (jnp.arange(3), 0.9), integers(9), "", "averages", allow_int=True, without=COUNTS
    ),
    rng_seq("", (), nothing, "", "_rng_key", call=two_keys, without=KEYS),
    rng_seq("seed", (3,), nothing, "", "_rng_key", call=two_keys, without=KEYS, rng_key=None),
    identity("", (), normal(3), name="same"),
    identity("eval", (), normal(3), training=False),
    function("", (jax.nn.gelu,), normal(3)),
    function("partial", (functools.partial(jnp.sum, axis=-1), "sum"), normal(3), without=PARTIAL),
]


NETWORK = "modules.0.weight modules.0.bias modules.1.scale modules.1.offset"
NETWORK_STATE = " ".join(f"modules.1.{name}" for name in AVERAGES.split()) + " modules.3.rng_key"


STACK, STACK_STATE = (
    " ".join(f"stacked.{name}" for name in names.split()) for names in (NETWORK, NETWORK_STATE)
)


def network(key: Any, channels: int = 3) -> pax.Module:
    """Builds a small network that holds weights, averages, a key and a function."""
    conv = pax.Conv1D(channels, 4, 3, rng_key=key)
    return pax.Sequential(conv, pax.BatchNorm1D(4), jax.nn.gelu, pax.Dropout(0.3), name="net")


NETWORKS = [
    Case(
        "Sequential",
        "",
        network,
        normal(4, 3),
        NETWORK,
        NETWORK_STATE,
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
    ),
    Case(
        "Sequential",
        "eval",
        lambda key: network(key).eval(),
        normal(4, 3),
        NETWORK,
        NETWORK_STATE,
        without=WEIGHTS,
        slow=True,
    ),
    Case(
        "Stack",
        "",
        lambda key: pax.Stack(lambda: network(key, 4), 3, name="blocks").eval(),
        normal(2, 4),
        STACK,
        STACK_STATE,
        without=WEIGHTS,
    ),
    Case(
        "Stack",
        "training, remat",
        lambda key: pax.Stack(lambda rng_key: network(rng_key, 4), 2, remat=True, rng_key=key),
        normal(2, 4),
        STACK,
        STACK_STATE,
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
        slow=True,
    ),
    Case("Sequential", "no layers", lambda key: pax.Sequential(), normal(3), without=DOES_NOTHING),
]

LAYERS = [
    *DENSE,
    *CONVOLUTIONS,
    *ACTIVATIONS,
    *EMBEDDINGS,
    *COMBINED,
    *SHAPED,
    *NORMS,
    *RECURRENT,
    *SEQUENCES,
    *LINEAR_CELLS,
    *ATTENTION,
    *POSITIONS,
    *TRANSFORMERS,
    *LANGUAGE_MODELS,
    *REGULARISERS,
    *IMAGE_LAYERS,
    *SMALL,
    *NETWORKS,
    *NETS,
    *IMAGE_NETS,
    *LINEAR_NETS,
]


#: Public names that are neither a layer nor an array function nor an initializer.
NOT_LAYERS = """
    ArgumentError CallError DtypeError PaxError PurityError ShapeError StructureError
    Policy apply_mp_policy unwrap_mp_policy precision.DynamicLossScale precision.StaticLossScale
    experimental.default_mp_policy
    EmptyNode GRUState KeyValueCache LSTMState MGUState VanillaRNNState
    Module ParameterModule StateModule
    nets.Seq2SeqCache
    assert_structure_equal build_update_fn enable_eval_mode enable_train_mode freeze_parameters grad
    module_and_value next_rng_key parameters_method pure purecall remat scan seed_rng_key
    keep_host_memory stack functional.AttentionChoice functional.attention_implementation
    select_parameters unfreeze_parameters update_parameters value_and_grad
    experimental.Flattener experimental.LazyModule experimental.mutable
    experimental.load_weights_from_dict experimental.save_weights_to_dict
    experimental.graph.InputNode experimental.graph.Node experimental.graph.build_graph_module
    experimental.apply_scaled_gradients optim.GradientNormState optim.Optimizer
    optim.apply_gradients optim.record_gradient_norm
    TrainState build_train_step use_compilation_cache explain_retrace RetraceWarning
    testing.CheckError testing.assert_matches testing.check_dtypes testing.check_gradients
    testing.check_jit testing.check_layer testing.check_purity testing.check_pytree
    testing.check_vmap testing.in_torch
    metrics.AUC metrics.Accuracy metrics.ConfusionMatrix metrics.F1Score metrics.Mean
    metrics.MeanAbsoluteError metrics.MeanSquaredError metrics.Metric metrics.Perplexity
    metrics.Precision metrics.R2Score metrics.Recall metrics.TopKAccuracy
    generation.Beams generation.Generated generation.Speculated generation.beam_search
    generation.generate generation.min_p generation.repetition_penalty generation.speculative
    generation.top_k generation.top_p
    functional.RotaryScaling functional.LinearRotaryScaling functional.NTKRotaryScaling
    functional.YarnRotaryScaling functional.Llama3RotaryScaling functional.alibi_slopes
    initializers.Initializer io.from_state_dict io.to_state_dict show.summary
"""
