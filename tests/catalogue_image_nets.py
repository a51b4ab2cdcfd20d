"""The rows of the networks over images."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

import pax
from tests.catalogue_nets import KINKS, WHOLE_MASK, averages, dense, norms
from tests.contracts.case import Case
from tests.contracts.draws import arguments, normal
from tests.contracts.rows import WEIGHTS, WHOLE_BATCH, row

STRAIGHT = {"smooth": "the gradient goes straight through, as if nothing were quantized"}
LOSS = {"huge": "the loss is a square"}


slow = functools.partial(row, without=WEIGHTS | KINKS, slow=True)
in_batches = functools.partial(slow, changes=True, without=WEIGHTS | KINKS | WHOLE_BATCH)

CODEBOOK = "averages.averages.counts averages.averages.sums"
VQ_VAE = [
    dense("encoder.convs.0", "encoder.convs.1"),
    dense("encoder.blocks.0.conv1", "encoder.blocks.0.conv2", "encoder.last"),
    dense("decoder.first", "decoder.blocks.0.conv1", "decoder.blocks.0.conv2"),
    dense("decoder.convs.0", "decoder.convs.1"),
]

MIXER = [
    f"{dense('stem')} {norms('blocks.0.norm1')}",
    dense("blocks.0.tokens.layers.0", "blocks.0.tokens.layers.1"),
    norms("blocks.0.norm2"),
    dense("blocks.0.channels.layers.0", "blocks.0.channels.layers.1"),
    f"{norms('norm')} {dense('logits')}",
]


def conv_norms(*parts: str) -> str:
    """Returns the paths of the parameters of convolutions with a batch norm."""
    return " ".join(f"{part}.conv.weight {norms(f'{part}.norm')}" for part in parts)


#: Two blocks: one without its first convolution, one that adds its input.
BLOCKS = [
    ["blocks.0.depthwise", "blocks.0.project"],
    [f"blocks.1.{part}" for part in ("expand", "depthwise", "project")],
]
ALL = ["stem", *BLOCKS[0], *BLOCKS[1], "head"]
SQUEEZES = [dense(f"blocks.{i}.squeeze.fc1", f"blocks.{i}.squeeze.fc2") for i in range(2)]
MOBILE = f"{conv_norms(*ALL)} {dense('logits')}"
EFFICIENT = " ".join(
    [
        conv_norms("stem", BLOCKS[0][0]),
        SQUEEZES[0],
        conv_norms(BLOCKS[0][1], *BLOCKS[1][:2]),
        SQUEEZES[1],
        conv_norms(BLOCKS[1][2], "head"),
        dense("logits"),
    ]
)
STATE = f"rng_seq._rng_key {averages(*(f'{part}.norm' for part in ALL))}"
INVERTED = {
    "width": 0.25,
    "stages": ((1, 32, 1, 1), (2, 32, 1, 1, 5)),
    "dropout_rate": 0.3,
    "bn_config": {"decay_rate": 0.5},
    "data_format": "NHWC",
    "name": "net",
}


def convnext_block(path: str) -> str:
    """Returns the paths of the arrays of a block of ConvNeXt."""
    return (
        f"{dense(f'{path}.conv')} {norms(f'{path}.norm')} "
        f"{dense(f'{path}.mlp.layers.0', f'{path}.mlp.layers.1')} {path}.scale"
    )


CONVNEXT = [
    f"{dense('stem')} {norms('stem_norm')}",
    convnext_block("groups.0.blocks.0"),
    f"{norms('groups.1.downsample_norm')} {dense('groups.1.downsample')}",
    convnext_block("groups.1.blocks.0"),
    f"{norms('norm')} {dense('logits')}",
]


def unet_block(path: str, *more: str) -> str:
    """Returns the paths of the arrays of a block of a U-Net."""
    return " ".join(
        [
            f"{norms(f'{path}.norm1')} {dense(f'{path}.conv1', f'{path}.condition')}",
            f"{norms(f'{path}.norm2')} {dense(f'{path}.conv2')}",
            *more,
        ]
    )


HEADS = [f"{part}_projection" for part in ("query", "key", "value", "output")]
UNET_ATTENTION = (
    f"{norms('middle.0.attention.norm')} "
    f"{dense(*(f'middle.0.attention.heads.{part}' for part in HEADS))}"
)
UNET = [
    dense("time_mlp.layers.0", "time_mlp.layers.1", "stem"),
    unet_block("down.0.blocks.0"),
    dense("down.0.resize"),
    unet_block("down.1.blocks.0"),
    unet_block("middle.0", UNET_ATTENTION),
    unet_block("middle.1"),
    unet_block("up.0.blocks.0", dense("up.0.blocks.0.around")),
    unet_block("up.0.blocks.1", dense("up.0.blocks.1.around")),
    dense("up.0.resize"),
    unet_block("up.1.blocks.0", dense("up.1.blocks.0.around")),
    unet_block("up.1.blocks.1", dense("up.1.blocks.1.around")),
    f"{norms('norm')} {dense('head')}",
]


def unet(key: Any) -> Any:
    """Builds a U-Net of two levels, none of whose weights is zero."""
    net = pax.nets.UNet(
        2,
        3,
        base_channels=4,
        channel_multipliers=(1, 1),
        blocks_per_level=1,
        attention_levels=(),
        groups=2,
        dropout_rate=0.3,
        data_format="NHWC",
        rng_key=key,
        name="net",
    )
    rng = np.random.default_rng(0)
    return net.map(lambda x: x + normal_like(rng, x) if x.ndim > 1 else x)


def normal_like(rng: np.random.Generator, x: Any) -> Any:
    """Returns small random numbers of the shape and dtype of an array."""
    return (0.3 * rng.standard_normal(x.shape)).astype(x.dtype)


def mixer(key: Any) -> Any:
    """Builds a Mixer of one layer; its last weights are not zero."""
    key, logits_key = jax.random.split(key)
    net = pax.nets.MLPMixer(
        2,
        3,
        image_size=4,
        patch_size=2,
        dim=4,
        num_layers=1,
        tokens_dim=3,
        channels_dim=5,
        data_format="NHWC",
        rng_key=key,
        name="mixer",
    )
    return net.replace(logits=pax.Linear(4, 3, rng_key=logits_key))


def convnext(key: Any) -> Any:
    """Builds a ConvNeXt of two blocks, with weights that count more than they do at first."""
    net = pax.nets.ConvNeXt(
        2,
        3,
        blocks_per_group=(1, 1),
        channels_per_group=(3, 4),
        drop_path_rate=0.4,
        data_format="NHWC",
        rng_key=key,
        name="net",
    )
    for group in net.groups:
        (block,) = group.blocks
        net = net.replace_node(block, block.replace(scale=1e6 * block.scale))
    return net.map(lambda x: 20 * x if x.ndim > 1 else x)


IMAGE_NETS = [
    Case(
        "nets.MLPMixer",
        "",
        mixer,
        normal(4, 4, 2),
        " ".join(MIXER),
        without=WEIGHTS,
        slow=True,
    ),
    in_batches(
        "nets.DCGANGenerator",
        "",
        (3, 2),
        normal(3),
        f"project.weight {norms('norms.0')} {dense('convs.0')}",
        averages("norms.0"),
        image_size=8,
        base_channels=4,
        data_format="NHWC",
        name="generator",
    ),
    in_batches(
        "nets.DCGANDiscriminator",
        "",
        (2,),
        normal(16, 16, 2),
        f"{dense('convs.0')} convs.1.weight {norms('norms.0')} {dense('score')}",
        averages("norms.0"),
        image_size=16,
        base_channels=4,
        data_format="NHWC",
        name="discriminator",
    ),
    row(
        "nets.VectorQuantizer",
        "",
        (4, 3),
        normal(2, 3),
        "",
        CODEBOOK,
        changes=True,
        without=WEIGHTS | STRAIGHT | LOSS,
        decay_rate=0.5,
        name="codes",
    ),
    row(
        "nets.VectorQuantizer",
        "eval",
        (4, 3),
        normal(3),
        "",
        CODEBOOK,
        evaluate=True,
        without=WEIGHTS | STRAIGHT | LOSS,
        slow=True,
    ),
    slow(
        "nets.VQVAE",
        "",
        (2,),
        normal(4, 8, 2),
        " ".join(VQ_VAE),
        " ".join(f"quantizer.{path}" for path in CODEBOOK.split()),
        changes=True,
        without=WEIGHTS | STRAIGHT | LOSS,
        num_codes=4,
        code_dim=3,
        hidden_channels=4,
        residual_channels=3,
        num_blocks=1,
        decay_rate=0.5,
        data_format="NHWC",
        name="codes",
    ),
    in_batches("nets.MobileNetV2", "", (2, 3), normal(5, 4, 2), MOBILE, STATE, **INVERTED),
    in_batches(
        "nets.EfficientNet",
        "",
        (2, 3),
        normal(5, 4, 2),
        EFFICIENT,
        STATE,
        depth=0.9,
        drop_path_rate=0.4,
        **INVERTED,
    ),
    Case(
        "nets.ConvNeXt",
        "",
        convnext,
        normal(8, 8, 2),
        " ".join(CONVNEXT),
        "rng_seq._rng_key",
        changes=True,
        without=WEIGHTS | WHOLE_MASK,
        slow=True,
    ),
    Case(
        "nets.UNet",
        "",
        unet,
        arguments(normal(4, 6, 2), normal(), normal(16)),
        " ".join(UNET),
        "rng_seq._rng_key",
        changes=True,
        without=WEIGHTS | WHOLE_MASK,
        slow=True,
    ),
]
