"""The rows of transformers: mixtures of experts, patches, blocks and stacks of them."""

from __future__ import annotations

import functools
from typing import Any

import pax
from tests.catalogue_dense import INITS
from tests.contracts.draws import normal
from tests.contracts.rows import WEIGHTS, row

WHOLE_BATCH = {"rows": "the loss that it keeps is that of all tokens"}
CAPACITY = {"rows": "which choices are dropped depends on the tokens before"}


def expert(rng_key: Any) -> pax.Module:
    """Builds an expert."""
    return pax.Linear(4, 2, rng_key=rng_key)


EXPERTS = "router.weight experts.stacked.weight experts.stacked.bias"
mixture = functools.partial(row, "MixtureOfExperts", without=WEIGHTS)
patches = functools.partial(row, "PatchEmbed", without=WEIGHTS)

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
        slow=True,
        name="patches",
        **INITS,
    ),
    patches(
        "channels first",
        (2, 3, 2),
        normal(2, 4, 2),
        "projection.weight",
        slow=True,
        with_bias=False,
        data_format="NCHW",
    ),
]

TRANSFORMERS = [*MIXTURES, *PATCHES]
