"""Residual networks; their state is the running averages of the batch norms."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of
from benchmarks.contenders.jax.cnn import conv, conv_init, max_pool
from benchmarks.contenders.jax.dense import dense, dense_init
from benchmarks.contenders.jax.model import Model, Params, State


def unit_init(shape: of.Convolution, keys: Iterator[Array]) -> tuple[Params, State]:
    ones, zeros = jnp.ones(shape.outputs), jnp.zeros(shape.outputs)
    params = {
        "conv": conv_init(next(keys), shape.inputs, shape.outputs, shape.kernel),
        "norm": {"scale": ones, "offset": zeros},
    }
    return params, {"mean": jnp.zeros(shape.outputs), "variance": jnp.ones(shape.outputs)}


def batch_norm(params: Params, state: State, x: Array, training: bool) -> tuple[Array, State]:
    mean, variance = state["mean"], state["variance"]
    if training:
        mean, variance = jnp.mean(x, axis=(0, 1, 2)), jnp.var(x, axis=(0, 1, 2))
        new = {"mean": mean, "variance": variance}
        decay = of.NORM_DECAY
        state = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state, new)
    y = (x - mean) * jax.lax.rsqrt(variance + of.EPSILON)
    return y * params["scale"] + params["offset"], state


def unit(
    params: Params, state: State, x: Array, stride: int, training: bool
) -> tuple[Array, State]:
    return batch_norm(params["norm"], state, conv(params["conv"], x, stride), training)


def block_init(block: of.Block, keys: Iterator[Array]) -> tuple[Params, State]:
    params, state = {}, {}
    params["units"], state["units"] = zip(*(unit_init(u, keys) for u in block.units), strict=True)
    if block.shortcut is not None:
        params["shortcut"], state["shortcut"] = unit_init(block.shortcut, keys)
    return params, state


def apply_block(
    block: of.Block, params: Params, state: State, x: Array, training: bool
) -> tuple[Array, State]:
    y, new = x, {"units": []}
    for i, shape in enumerate(block.units):
        y = y if i == 0 else jax.nn.relu(y)
        y, averages = unit(params["units"][i], state["units"][i], y, shape.stride, training)
        new["units"].append(averages)
    new["units"] = tuple(new["units"])
    if block.shortcut is not None:
        stride = block.shortcut.stride
        x, new["shortcut"] = unit(params["shortcut"], state["shortcut"], x, stride, training)
    return jax.nn.relu(x + y), new


def init(sizes: of.ResNet, keys: Iterator[Array]) -> tuple[Params, State]:
    params, state = {}, {}
    params["stem"], state["stem"] = unit_init(sizes.stem, keys)
    pairs = [block_init(block, keys) for block in sizes.blocks()]
    params["blocks"], state["blocks"] = map(list, zip(*pairs, strict=True))
    params["logits"] = dense_init(next(keys), sizes.channels[-1], sizes.classes)
    return params, state


def apply(
    sizes: of.ResNet, params: Params, state: State, x: Array, training: bool
) -> tuple[Array, State]:
    new = {"blocks": []}
    x, new["stem"] = unit(params["stem"], state["stem"], x, sizes.stem.stride, training)
    x = jax.nn.relu(x)
    if sizes.pool:
        x = max_pool(x, 3, padding=1)
    for i, block in enumerate(sizes.blocks()):
        x, averages = apply_block(block, params["blocks"][i], state["blocks"][i], x, training)
        new["blocks"].append(averages)
    return dense(params["logits"], jnp.mean(x, axis=(1, 2))), new


RESNET = Model(init, apply)
