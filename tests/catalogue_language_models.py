"""The rows of language models that decode."""

from __future__ import annotations

from typing import Any

import pax
from tests.contracts.case import Case
from tests.contracts.draws import integers
from tests.contracts.rows import INTEGERS, WEIGHTS

DROPPED = {"rows": "what is dropped is drawn for the whole batch"}
SIZES: dict[str, Any] = {"dim": 4, "num_heads": 2, "num_layers": 2, "hidden_dim": 6}
PROJECTIONS = [f"attention.{part}_projection" for part in ("query", "key", "value", "output")]


def in_blocks(dense: list[str], arrays: tuple[str, ...], norm: tuple[str, ...]) -> str:
    """Returns the paths of the arrays of stacked blocks."""
    names = [f"{name}.{array}" for name in PROJECTIONS for array in arrays]
    names += [f"attention_norm.{array}" for array in norm]
    names += [f"feed_forward.{name}.{array}" for name in dense for array in arrays]
    names += [f"feed_forward_norm.{array}" for array in norm]
    return " ".join(f"blocks.stacked.{name}" for name in names)


GPT2 = " ".join(
    [
        "tokens.weight positions.weight",
        in_blocks(["layers.0", "layers.1"], ("weight", "bias"), ("scale", "offset")),
        "norm.scale norm.offset",
    ]
)
LLAMA = " ".join(
    [
        "tokens.weight",
        in_blocks(["modules.0", "modules.1"], ("weight",), ("scale",)),
        "norm.scale",
    ]
)


def row(network: str, variant: str, parameters: str, state: str = "", **options: Any) -> Case:
    """Returns a row; the tokens are far from zero, where the first norm is smooth."""

    def make(key: Any) -> pax.Module:
        net: Any = getattr(pax.nets, network)(7, rng_key=key, **SIZES, **options)
        return net.replace(tokens=pax.Embed(7, 4, rng_key=key))

    return Case(
        f"nets.{network}",
        variant,
        make,
        integers(7, 5),
        parameters,
        state,
        changes=bool(state),
        without=WEIGHTS | INTEGERS | (DROPPED if state else {}),
        slow=True,
    )


LANGUAGE_MODELS = [
    row("GPT2", "", GPT2, max_length=8, dropout_rate=0.0),
    row(
        "GPT2",
        "dropout",
        GPT2,
        "dropout.rng_key blocks.stacked.dropout.rng_key",
        max_length=8,
        dropout_rate=0.3,
        remat=True,
        name="writer",
    ),
    row("Llama", "", f"{LLAMA} logits.weight"),
    row(
        "Llama",
        "tied, grouped heads, window, scaling",
        LLAMA,
        num_kv_heads=1,
        tied=True,
        theta=100.0,
        rotary_scaling=pax.functional.LinearRotaryScaling(2.0),
        window=3,
        eps=1e-6,
        remat=True,
        name="llama",
    ),
]
