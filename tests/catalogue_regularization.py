"""The rows of regularisation: what changes its input at random while training."""

from __future__ import annotations

import functools
from typing import Any

import pax
from tests.contracts.case import Case
from tests.contracts.draws import arguments, normal, random_key
from tests.contracts.rows import DOES_NOTHING, row

MASK = {
    "rows": "the mask of dropped elements is drawn for the whole input",
    "huge": "what is kept grows beyond float16",
}
NOISE = {"rows": "the noise is drawn for the whole input"}

dropout = functools.partial(row, "Dropout", without=DOES_NOTHING)
spatial = functools.partial(row, "SpatialDropout")
block = functools.partial(row, "DropBlock")
OFF: dict[str, Any] = {"evaluate": True, "without": DOES_NOTHING, "slow": True}
ON: dict[str, Any] = {"changes": True, "without": MASK}
KEY = "rng_key"

REGULARISERS = [
    dropout("", (0.4,), normal(5), "", KEY, changes=True, without=MASK),
    dropout("eval", (0.4,), normal(5), "", KEY, evaluate=True),
    dropout("rate 0", (0.0,), normal(5), "", KEY, name="drop"),
    row("DropPath", "", (0.4,), normal(5), "", KEY, **ON, name="path"),
    row("DropPath", "eval", (0.4,), normal(5), "", KEY, **OFF),
    spatial("", (0.4,), normal(3, 5), "", KEY, **ON, slow=True),
    spatial("channels first", (0.4,), normal(5, 3), "", KEY, **ON, slow=True, data_format="NC..."),
    spatial("eval", (0.4,), normal(3, 5), "", KEY, **OFF, name="drop"),
    row("AlphaDropout", "", (0.4,), normal(5), "", KEY, **ON, slow=True),
    row("AlphaDropout", "eval", (0.4,), normal(5), "", KEY, **OFF, name="drop"),
    row("GaussianNoise", "", (0.4,), normal(5), "", KEY, changes=True, without=NOISE, slow=True),
    row("GaussianNoise", "eval", (0.4,), normal(5), "", KEY, **OFF, name="noise"),
    block("", (0.3, 2), normal(4, 5, 2), "", KEY, **ON, slow=True),
    block("channels first", (0.3, 2), normal(2, 5), "", KEY, **ON, slow=True, data_format="NC..."),
    block("eval", (0.3, 2), normal(4, 5, 2), "", KEY, **OFF, name="drop"),
]


def at_random(name: str, *axes: int, slow: bool = True, **without: str) -> Case:
    """Returns the row of a function of a key and an array."""
    function = getattr(pax.functional, name.removeprefix("functional."))
    given: tuple[Any, ...] = (0.3, 2) if name == "functional.drop_block" else (0.3,)

    def make(key: Any) -> pax.Module:
        return pax.Lambda(lambda rng_key, x: function(rng_key, *given, x))

    return Case(name, "", make, arguments(random_key(), normal(*axes)), without=without, slow=slow)


RANDOM_FUNCTIONS = [
    at_random("dropout", 5, slow=False, **MASK),
    at_random("functional.drop_path", 5, **MASK),
    at_random("functional.spatial_dropout", 3, 5, **MASK),
    at_random("functional.alpha_dropout", 5, **MASK),
    at_random("functional.gaussian_noise", 5, **NOISE),
    at_random("functional.drop_block", 4, 5, 2, **MASK),
]
