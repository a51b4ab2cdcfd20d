"""The rows of transformers: mixtures of experts, patches, blocks and stacks of them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

import pax
from tests.catalogue_dense import INITS
from tests.contracts.case import Case
from tests.contracts.draws import arguments, integers, normal, seen
from tests.contracts.rows import INTEGERS, WEIGHTS, row

WHOLE_BATCH = {"rows": "the loss that it keeps is that of all tokens"}
DROPPED = {"rows": "what is dropped is drawn for the whole batch"}
CAPACITY = {"rows": "which choices are dropped depends on the tokens before"}


def expert(rng_key: Any) -> pax.Module:
    """Builds an expert."""
    return pax.Linear(4, 2, rng_key=rng_key)


EXPERTS = "router.weight experts.stacked.weight experts.stacked.bias"
mixture = functools.partial(row, "MixtureOfExperts", without=WEIGHTS)
patches = functools.partial(row, "PatchEmbed", slow=True, without=WEIGHTS)

MIXTURES = [
    mixture(
        "",
        (4, 3, expert),
        normal(5, 4),
        EXPERTS,
        "balance_loss",
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
    ),
    mixture(
        "eval", (4, 3, expert), normal(5, 4), EXPERTS, "balance_loss", evaluate=True, slow=True
    ),
    mixture(
        "dense",
        (4, 3, expert),
        normal(5, 4),
        EXPERTS,
        "balance_loss",
        evaluate=True,
        dispatch="dense",
        slow=True,
        w_init=INITS["w_init"],
    ),
    mixture(
        "one expert each, capacity",
        (4, 3, expert),
        normal(5, 4),
        EXPERTS,
        "balance_loss",
        changes=True,
        without=WEIGHTS | CAPACITY,
        slow=True,
        top_k=1,
        normalize_gates=False,
        capacity_factor=0.75,
        name="experts",
    ),
]

PATCHES = [
    patches("", (2, 3, (2, 3)), normal(4, 6, 2), "projection.weight projection.bias"),
    patches(
        "own initializers",
        (2, 3, 2),
        normal(2, 4, 2),
        "projection.weight projection.bias",
        name="patches",
        **INITS,
    ),
    patches(
        "channels first",
        (2, 3, 2),
        normal(2, 4, 2),
        "projection.weight",
        with_bias=False,
        data_format="NCHW",
    ),
]


def under(prefix: str, names: str) -> str:
    """Returns paths below a submodule."""
    return " ".join(f"{prefix}.{name}" for name in names.split())


PROJECTIONS = " ".join(
    f"{part}_projection.{array}"
    for part in ("query", "key", "value", "output")
    for array in ("weight", "bias")
)
NORM = "scale offset"
ATTENTION = f"{under('attention', PROJECTIONS)} {under('attention_norm', NORM)} "
CROSS = f"{under('cross_attention', PROJECTIONS)} {under('cross_attention_norm', NORM)} "
DENSE = under("feed_forward", "layers.0.weight layers.0.bias layers.1.weight layers.1.bias")
DENSE += " " + under("feed_forward_norm", NORM)
#: A mask that hides nobody entirely.
MASK = seen(5, batched=True)


def block(key: Any, **options: Any) -> Any:
    """Builds a block; with cross-attention to a source of width 3 where it is asked for."""
    keys = jax.random.split(key, 3)
    if options.pop("crosses", False):
        cross = pax.MultiHeadAttention(2, 2, 1.0, key_dim=3, rng_key=keys[2])
        options["cross_attention"] = cross
    return pax.TransformerBlock(
        pax.MultiHeadAttention(2, 2, 1.0, rng_key=keys[0]),
        pax.MLP((4, 6, 4), pax.functional.gelu, rng_key=keys[1]),
        **options,
    )


BLOCKS = [
    Case(
        "TransformerBlock", "", block, normal(5, 4), ATTENTION + DENSE, without=WEIGHTS, slow=True
    ),
    Case(
        "TransformerBlock",
        "cross-attention, dropout",
        lambda key: block(key, crosses=True, is_causal=True, dropout_rate=0.3, name="block"),
        arguments(normal(5, 4), normal(6, 3)),
        ATTENTION + CROSS + DENSE,
        "dropout.rng_key",
        changes=True,
        without=WEIGHTS | DROPPED,
        slow=True,
    ),
    Case(
        "TransformerBlock",
        "root mean squares, after",
        lambda key: block(key, norm=pax.RMSNorm, norm_first=False),
        normal(5, 4),
        (ATTENTION + DENSE)
        .replace("attention_norm.offset ", "")
        .removesuffix(" feed_forward_norm.offset"),
        without=WEIGHTS,
        slow=True,
    ),
]

OWN: dict[str, Any] = {
    "hidden_dim": 6,
    "activation": jax.nn.silu,
    "norm": pax.RMSNorm,
    "norm_first": False,
    "dropout_rate": 0.3,
    "remat": True,
    "name": "stack",
}
FINAL = " " + under("norm", NORM)


def scales(names: str) -> str:
    """Returns the paths without offsets of norms."""
    return " ".join(name for name in names.split() if not name.endswith("offset"))


def padded(net: Any, x: Any, is_held: Any) -> Any:
    """Calls an encoder with padding."""
    return net(x, is_held[:, None, None])


encoder = functools.partial(row, "TransformerEncoder", slow=True, without=WEIGHTS)
decoder = functools.partial(row, "TransformerDecoder", slow=True, without=WEIGHTS)
STACKED, STACKED_CROSS = (
    under("blocks.stacked", names) for names in (ATTENTION + DENSE, ATTENTION + CROSS + DENSE)
)
STACKS = [
    encoder("", (6, 2, 2), arguments(normal(5, 6), MASK), STACKED + FINAL, call=padded),
    encoder(
        "own options",
        (4, 2, 2),
        normal(5, 4),
        scales(STACKED),
        "blocks.stacked.dropout.rng_key",
        changes=True,
        without=WEIGHTS | DROPPED,
        **OWN,
    ),
    decoder(
        "",
        (4, 2, 2),
        arguments(normal(5, 4), normal(6, 3)),
        STACKED_CROSS + FINAL,
        source_dim=3,
    ),
    decoder(
        "own options",
        (4, 2, 2),
        normal(5, 4),
        scales(STACKED),
        "blocks.stacked.dropout.rng_key",
        changes=True,
        without=WEIGHTS | DROPPED,
        **OWN,
    ),
]


DENSE_NAMES = "weight bias"


def vit(key: Any, **options: Any) -> Any:
    """Builds a ViT of one block; its last weights are not zero."""
    key, logits_key = jax.random.split(key)
    sizes = {"image_size": (4, 6), "patch_size": (2, 3), "dim": 4, "num_heads": 2, "num_layers": 1}
    net: Any = pax.nets.ViT(2, 3, rng_key=key, **sizes | options)
    net = net.replace(logits=pax.Linear(4, 3, rng_key=logits_key))
    return net.replace(class_token=jnp.array([0.5, -1.0, 2.0, 0.0]))


def bert(key: Any) -> Any:
    """Builds a BERT of one block; its tokens are far from zero, where its first norm is smooth."""
    sizes = {"dim": 4, "num_heads": 2, "num_layers": 1, "hidden_dim": 6, "max_length": 6}
    options = {"num_segments": 3, "dropout_rate": 0.3, "name": "reader"}
    net: Any = pax.nets.BERT(7, rng_key=key, **sizes | options)
    return net.replace(tokens=pax.Embed(7, 4, rng_key=key))


def logits(net: Any, tokens: Any, segments: Any) -> Any:
    """Calls BERT, and then its head."""
    x, pooled = net(tokens, segments)
    return pooled, net.token_logits(x)


ENCODER = under("encoder", STACKED)
VIT = " ".join(
    [
        under("patches.projection", DENSE_NAMES),
        "class_token positions.weight",
        ENCODER,
        under("encoder.norm", NORM),
        under("logits", DENSE_NAMES),
    ]
)
BERT = " ".join(
    [
        "tokens.weight positions.weight segments.weight",
        under("norm", NORM),
        ENCODER,
        under("pooler", DENSE_NAMES),
        under("head", DENSE_NAMES),
        under("head_norm", NORM),
        "head_bias",
    ]
)
DROPOUTS = "dropout.rng_key encoder.blocks.stacked.dropout.rng_key"
TEXT = arguments(integers(7, 5), integers(3, 5))


def weights(names: str) -> str:
    """Returns the paths without biases, and without offsets of norms."""
    return " ".join(name for name in scales(names).split() if not name.endswith("bias"))


def side(name: str, block: str) -> str:
    """Returns the paths of the encoder or of the decoder of T5."""
    return f"{under(f'{name}.stacked', weights(block))} {name}_bias.weight {name}_norm.scale "


T5 = "tokens.weight " + side("encoder", ATTENTION + DENSE)
T5 += side("decoder", ATTENTION + CROSS + DENSE)
T5_GATED = T5.replace("feed_forward.layers", "feed_forward.modules")


def t5(variant: str, parameters: str, **options: Any) -> Case:
    """Returns a row of T5: a block on either side, with a source that is padded."""
    sizes = {"dim": 4, "num_heads": 2, "key_size": 3, "num_layers": 1, "hidden_dim": 6}
    return row(
        "nets.T5",
        variant,
        (7,),
        arguments(integers(7, 5), integers(7, 4), seen(5, batched=True)),
        parameters,
        "encoder.stacked.dropout.rng_key decoder.stacked.dropout.rng_key",
        changes=True,
        without=WEIGHTS | INTEGERS | DROPPED,
        slow=True,
        dropout_rate=0.3,
        **sizes | options,
    )


NETS = [
    Case("nets.ViT", "", vit, normal(2, 4, 6), VIT, without=WEIGHTS, slow=True),
    Case(
        "nets.ViT",
        "channels last, dropout",
        lambda key: vit(key, data_format="NHWC", hidden_dim=6, dropout_rate=0.3, name="vit"),
        normal(4, 6, 2),
        VIT,
        DROPOUTS,
        changes=True,
        without=WEIGHTS | DROPPED,
        slow=True,
    ),
    Case(
        "nets.BERT",
        "",
        bert,
        TEXT,
        BERT,
        DROPOUTS,
        changes=True,
        call=logits,
        without=WEIGHTS | INTEGERS | DROPPED,
        slow=True,
    ),
    t5("", T5),
    t5("gated", T5_GATED, is_gated=True, num_buckets=4, max_distance=6, name="translator"),
]

TRANSFORMERS = [*MIXTURES, *PATCHES, *BLOCKS, *STACKS, *NETS]
