"""Signatures and printed forms, as the reference page of the layers gives them."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import pytest

import pax

CONV = "in_features, out_features, kernel_shape, stride=1"
CONV_END = "with_bias=True, w_init=None, b_init=None"
NORM = "scale_init=None, offset_init=None"
BATCH_NORM = "num_channels, create_scale=True, create_offset=True, decay_rate=0.9, eps=1e-05"
# the page ends after channel_axis; what follows is an addition
POOL = "value, window_shape, strides, padding, channel_axis=-1, *"

SIGNATURES = {
    "Linear": "in_dim, out_dim, with_bias=True, w_init=None, b_init=None, *, "
    "rng_key=None, name=None",
    "Dropout": "dropout_rate, *, name=None",
    # an argument by name, beyond name and key, is an addition
    "Embed": "vocab_size, embed_dim, w_init=None, *, padding_index=None, rng_key=None, name=None",
    # likewise those of convolutions
    "Conv1D": f"{CONV}, rate=1, padding='SAME', {CONV_END}, data_format='NWC', "
    "feature_group_count=1, *, mask=None, padding_mode='zeros', name=None, rng_key=None",
    "Conv2D": f"{CONV}, rate=1, padding='SAME', {CONV_END}, data_format='NHWC', "
    "feature_group_count=1, *, mask=None, padding_mode='zeros', name=None, rng_key=None",
    "Conv1DTranspose": f"{CONV}, padding='SAME', {CONV_END}, data_format='NWC', *, "
    "output_padding=0, rate=1, feature_group_count=1, name=None, rng_key=None",
    "Conv2DTranspose": f"{CONV}, padding='SAME', {CONV_END}, data_format='NHWC', *, "
    "output_padding=0, rate=1, feature_group_count=1, name=None, rng_key=None",
    # likewise those of batch norm
    "BatchNorm1D": f"{BATCH_NORM}, data_format='NWC', *, "
    "axis_name=None, unbiased_variance=False, name=None",
    "BatchNorm2D": f"{BATCH_NORM}, data_format='NHWC', *, "
    "axis_name=None, unbiased_variance=False, name=None",
    "LayerNorm": f"num_channels, axis, create_scale, create_offset, eps=1e-05, {NORM}, *, "
    "rng_key=None, name=None",
    "GroupNorm": "groups, num_channels, axis=slice(1, None, None), create_scale=True, "
    f"create_offset=True, eps=1e-05, {NORM}, data_format='channels_last', *, "
    "rng_key=None, name=None",
    # likewise those of cells
    "VanillaRNN": "input_dim, hidden_dim, *, activation=None, rng_key=None, name=None",
    "LSTM": "input_dim, hidden_dim, w_init=None, forget_gate_bias=0.0, *, projection_dim=None, "
    "with_peephole=False, with_layer_norm=False, rng_key=None, name=None",
    "GRU": "input_dim, hidden_dim, *, reset_after=False, rng_key=None, name=None",
    # the page ends after w_init_scale; what is given by name is an addition
    "MultiHeadAttention": "num_heads, key_size, w_init_scale, *, num_kv_heads=None, "
    "query_dim=None, key_dim=None, value_dim=None, value_size=None, out_dim=None, with_bias=True, "
    "with_output_bias=None, query_key_norm=False, dropout_rate=0.0, window=None, soft_cap=None, "
    "scale=None, with_sinks=False, position=None, rng_key=None, name=None",
    "Sequential": "*layers, name=None",
    "RngSeq": "seed=None, rng_key=None",
    "Lambda": "func, name=None",
    "Identity": "*, training=True, name=None",
    "EMA": "initial_value, decay_rate, debias=False, allow_int=False",
    "avg_pool": f"{POOL}, count_include_pad=False, ceil_mode=False",
    "max_pool": f"{POOL}, rate=1, ceil_mode=False",
    "dropout": "rng_key, dropout_rate, x",
    "Linear.__call__": "self, x",
    "Dropout.__call__": "self, x",
    "Embed.__call__": "self, x",
    "LayerNorm.__call__": "self, inputs, scale=None, offset=None",
    "GroupNorm.__call__": "self, x, scale=None, offset=None",
    "VanillaRNN.__call__": "self, state, x",
    "LSTM.__call__": "self, state, x",
    "GRU.__call__": "self, state, x",
    "VanillaRNN.initial_state": "self, batch_size",
    "LSTM.initial_state": "self, batch_size",
    "GRU.initial_state": "self, batch_size",
    "MultiHeadAttention.__call__": "self, query, key, value, mask=None, *, is_causal=False, "
    "positions=None, key_positions=None, segment_ids=None, key_segment_ids=None, bias=None, "
    "position=None",
    "Sequential.__call__": "self, x",
    "Sequential.__getitem__": "self, index",
    "Sequential.set": "self, index, value",
    "RngSeq.next_rng_key": "self, num_keys=1",
    "Identity.__call__": "self, x",
    "EMA.__call__": "self, xs",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_the_page(name: str) -> None:
    first, *rest = name.split(".")
    found = getattr(pax, first)
    for part in rest:
        found = getattr(found, part)
    signature = inspect.signature(found)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=signature.empty))
    assert text == f"({SIGNATURES[name]})"


def test_the_summary_of_the_page() -> None:
    net = pax.Sequential(pax.Linear(2, 32), jax.nn.relu, pax.Linear(32, 3))
    assert net.summary() == (
        "Sequential\n"
        "├── Linear(in_dim=2, out_dim=32, with_bias=True)\n"
        "├── x => relu(x)\n"
        "└── Linear(in_dim=32, out_dim=3, with_bias=True)"
    )
    assert net(jnp.empty((3, 2))).shape == (3, 3)


def test_the_function_of_the_page() -> None:
    net = pax.Lambda(jax.nn.relu)
    assert net.summary() == "x => relu(x)"
    y = net(jnp.array(-1))
    assert (int(y), y.dtype, y.weak_type) == (0, jnp.int32, True)
