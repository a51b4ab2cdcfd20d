"""The rows of dense layers and embeddings."""

from __future__ import annotations

import functools
from typing import Any

import jax

import pax
from tests.catalogue_normalization import AVERAGES
from tests.contracts.case import Case
from tests.contracts.draws import arguments, integers, normal, seen, unbatched
from tests.contracts.rows import (
    INTEGERS,
    NO_BATCH,
    PRODUCTS,
    SHARED_ARGUMENT,
    WEIGHTS,
    WHOLE_BATCH,
    array_function,
    row,
)

INITS = {"w_init": pax.initializers.normal(0.3), "b_init": pax.initializers.uniform(0.3)}

linear = functools.partial(row, "Linear", without=WEIGHTS)
embed = functools.partial(row, "Embed", without=WEIGHTS | INTEGERS)

DENSE = [
    linear("", (3, 4), normal(3), "weight bias"),
    linear("time axis", (3, 4), normal(2, 3), "weight bias", name="fc", slow=True),
    linear("no bias", (3, 4), normal(3), "weight", with_bias=False),
    linear("own initializers", (3, 4), normal(3), "weight bias", **INITS, slow=True),
    linear("one vector", (3, 4), unbatched(3), "weight bias", without=WEIGHTS | NO_BATCH),
    embed("", (5, 3), integers(5, 2), "weight"),
    embed("own initializer", (5, 3, INITS["w_init"]), integers(5), "weight", name="tokens"),
]


def norm_and_dense(key: Any) -> list[pax.Module]:
    """Builds a layer with averages, and one with weights."""
    return [pax.BatchNorm1D(3), pax.Linear(3, 3, rng_key=key)]


def names(prefix: str, of: str) -> str:
    """Returns names below a prefix."""
    return " ".join(f"{prefix}{name}" for name in of.split())


MLP = names("layers.0.", "weight bias") + " " + names("layers.1.", "weight bias")
BRANCHES = names("modules.0.", "scale offset") + " " + names("modules.1.", "weight bias")
SKIPPED = names("module.", "scale offset") + " " + names("shortcut.", "weight bias")
mlp = functools.partial(row, "MLP", without=WEIGHTS)

COMBINED = [
    mlp("", ((3, 5, 2), jax.nn.tanh), normal(3), MLP, name="mlp", slow=True),
    mlp(
        "no bias",
        ((3, 5, 2), jax.nn.silu),
        normal(3),
        "layers.0.weight layers.1.weight",
        w_init=INITS["w_init"],
        with_bias=False,
        slow=True,
    ),
    mlp(
        "own initializers",
        ((3, 2),),
        normal(3),
        "layers.0.weight layers.0.bias",
        **INITS,
        slow=True,
    ),
    Case(
        "Residual",
        "",
        lambda key: pax.Residual(*norm_and_dense(key), name="block"),
        normal(4, 3),
        SKIPPED,
        names("module.", AVERAGES),
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
    ),
    Case(
        "Residual",
        "eval, no shortcut",
        lambda key: pax.Residual(norm_and_dense(key)[1]).eval(),
        normal(4, 3),
        names("module.", "weight bias"),
        without=WEIGHTS,
        slow=True,
    ),
    Case(
        "Parallel",
        "",
        lambda key: pax.Parallel(*norm_and_dense(key), name="heads"),
        normal(4, 3),
        BRANCHES,
        names("modules.0.", AVERAGES),
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
        slow=True,
    ),
    Case(
        "Concatenate",
        "",
        lambda key: pax.Concatenate(*norm_and_dense(key), axis=1, name="grow"),
        normal(4, 3),
        BRANCHES,
        names("modules.0.", AVERAGES),
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
        slow=True,
    ),
]

gated = functools.partial(row, without=WEIGHTS)
again = functools.partial(gated, slow=True)
prelu = functools.partial(row, "PReLU", slow=True)
BOTH = "weight bias"
SLOPES: dict[str, Any] = {"w_init": INITS["b_init"], "data_format": "NC...", "name": "slopes"}
DRAWN = {"free construction": "weights are drawn"}

ACTIVATIONS = [
    gated("GeGLU", "", (3, 4), normal(3), BOTH),
    again("GeGLU", "own initializers", (3, 4), normal(3), BOTH, **INITS, name="g"),
    again("GeGLU", "no bias", (3, 4), normal(3), "weight", with_bias=False),
    again("SwiGLU", "", (3, 4), normal(3), BOTH, **INITS, name="g"),
    again("SwiGLU", "no bias", (3, 4), normal(3), "weight", with_bias=False),
    again("GLU", "", (3, 4), normal(3), BOTH, **INITS, name="g"),
    again("GLU", "tanh", (3, 4), normal(3), "weight", with_bias=False, activation=jax.nn.tanh),
    prelu("", (), normal(3), "weight"),
    prelu("channels first", (3,), normal(3, 2), "weight", **SLOPES, without=DRAWN),
]

bilinear = functools.partial(row, "Bilinear", without=WEIGHTS)
einsum = functools.partial(row, "EinsumLinear", without=WEIGHTS)
SAME_BYTES = {"operations": "the shape changes, no number does"}
flatten = functools.partial(row, "Flatten", without=SAME_BYTES, slow=True)
SIZES = {"width": 4, "heads": 2, "size": 3}
TWO = arguments(normal(3), normal(2))

SHAPED = [
    bilinear("", (3, 2, 4), TWO, BOTH, slow=True),
    bilinear("no bias", (3, 2, 4), TWO, "weight", with_bias=False, name="b", slow=True),
    bilinear("own initializers", (3, 2, 4), TWO, BOTH, **INITS, slow=True),
    einsum("", ("... width -> ... heads size", SIZES), normal(4), BOTH, name="split"),
    einsum(
        "each head its own, own initializers",
        ("b heads t size -> b t heads width", SIZES),
        normal(2, 3, 3),
        BOTH,
        **INITS,
        slow=True,
    ),
    einsum(
        "no bias",
        ("b width -> b size", {"width": 4, "size": 3}),
        normal(4),
        "weight",
        with_bias=False,
        slow=True,
    ),
    flatten("", (), normal(2, 3)),
    flatten("two axes", (2, 3), normal(2, 3, 2), name="flat"),
    row("Reshape", "", ((3, -1),), normal(2, 3), without=SAME_BYTES, name="r", slow=True),
    Case(
        "BatchApply",
        "",
        lambda key: pax.BatchApply(norm_and_dense(key)[0], 2, name="over time"),
        normal(2, 4, 3),
        names("module.", "scale offset"),
        names("module.", AVERAGES),
        changes=True,
        without=WEIGHTS | WHOLE_BATCH,
        slow=True,
    ),
    Case(
        "BatchApply",
        "eval, three axes",
        lambda key: pax.BatchApply(norm_and_dense(key)[1], 3).eval(),
        normal(2, 2, 3),
        names("module.", BOTH),
        without=WEIGHTS,
        slow=True,
    ),
]

bag = functools.partial(row, "EmbeddingBag", without=WEIGHTS | INTEGERS)
position = functools.partial(row, "PositionEmbed", without=DRAWN, slow=True)
waves = functools.partial(row, "SinusoidalEmbed", slow=True)
PADDING: dict[str, Any] = {"padding_index": 1}
HELD = WEIGHTS | INTEGERS | {"smooth": "padding has no gradient, on purpose"}
WHOLE = INTEGERS | {
    "gradient": "it is a function of integers",
    "dtype": "integers say no floating dtype",
}

EMBEDDINGS = [
    row("Embed", "padding", (5, 3), integers(5, 2), "weight", **PADDING, without=HELD, slow=True),
    bag("", (5, 3), arguments(integers(5, 4), seen(4, batched=True)), "weight", name="bag"),
    bag("max, padding", (5, 3, "max"), integers(5, 4), "weight", **PADDING, slow=True),
    bag(
        "sum, factors",
        (5, 3, "sum", INITS["w_init"]),
        arguments(integers(5, 4), seen(4, batched=True), normal(4)),
        "weight",
        slow=True,
    ),
    position("", (5, 3), normal(4, 3), "weight", name="at"),
    position("own initializer", (5, 3, INITS["w_init"]), normal(4, 3), "weight"),
    position(
        "positions",
        (5, 3),
        arguments(normal(4, 3), integers(5, 4)),
        "weight",
    ),
    waves("", (6,), normal(3), name="at"),
    waves("integers", (6,), integers(9), without=WHOLE),
    waves("diffusion", (6,), normal(3), convention="diffusion", max_period=100.0),
    row(
        "FourierEmbed",
        "",
        (2, 4, 0.5),
        normal(2),
        "",
        "frequencies",
        without=DRAWN,
        name="f",
        slow=True,
    ),
]

one_more = functools.partial(array_function, slow=True)
SLOPE = arguments(normal(3), unbatched(3))

DENSE_FUNCTIONS = [
    one_more(
        "functional.bilinear",
        "",
        arguments(TWO, unbatched(3, 2, 4), unbatched(4)),
        without=SHARED_ARGUMENT | PRODUCTS,
    ),
    one_more(
        "functional.embedding_bag",
        "",
        arguments(integers(5, 4), unbatched(5, 3)),
        without=SHARED_ARGUMENT,
    ),
    one_more("functional.sinusoidal_embed", "", normal(2), 4),
    one_more(
        "functional.fourier_embed",
        "",
        arguments(normal(2), unbatched(2, 3)),
        without=SHARED_ARGUMENT,
    ),
    one_more("functional.gelu", "", normal(3)),
    one_more("functional.gelu", "exact", normal(3), approximate=False),
    one_more("functional.glu", "", normal(4), without=PRODUCTS),
    one_more("functional.prelu", "", SLOPE, without=SHARED_ARGUMENT | PRODUCTS),
]
