"""The rows of the losses: the loss of each example, which the mean only adds up."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp

from tests.contracts.draws import Draw, arguments, integers, normal
from tests.contracts.rows import array_function

WIDE = {"dtype": "losses of half precision come in float32"}
WHOLE_BATCH = WIDE | {"rows": "each example is compared with the whole batch"}
EACH: dict[str, Any] = {"reduction": "none", "without": WIDE}

cross_entropy = functools.partial(array_function, "losses.cross_entropy")
slow = functools.partial(array_function, slow=True)
CLASSES = jnp.array([0.5, 2.0, 1.0, 0.0])
PAIRS = arguments(normal(3), normal(3))


def lengths(low: int, high: int) -> Draw:
    """Draws one length from low to high for each example."""
    return lambda rng, dtype, batch: (jnp.asarray(rng.integers(low, high + 1, batch), jnp.int32),)


def groups_of_two(rng: Any, dtype: Any, batch: int) -> tuple[Any, ...]:
    """Draws labels such that each of them but perhaps the last comes twice, next to each other."""
    return (jnp.arange(batch) // 2,)


LOSSES = [
    cross_entropy("", arguments(normal(2, 4), integers(4, 2)), **EACH),
    cross_entropy(
        "all options",
        arguments(normal(4), integers(4)),
        **EACH,
        label_smoothing=0.1,
        class_weights=CLASSES,
        ignore_index=3,
        slow=True,
    ),
    slow("losses.focal_loss", "", arguments(normal(4), integers(4)), **EACH),
    slow("losses.dice_loss", "", arguments(normal(3, 4), integers(4, 3)), **EACH),
    slow(
        "losses.ctc_loss",
        "",
        arguments(normal(6, 4), integers(3, 2), lengths(4, 6), lengths(0, 2)),
        **EACH,
        blank_id=3,
    ),
    slow("losses.info_nce", "", PAIRS, temperature=0.5, reduction="none", without=WHOLE_BATCH),
    slow("losses.nt_xent", "", PAIRS, temperature=0.5, reduction="none", without=WHOLE_BATCH),
    slow(
        "losses.batch_hard_triplet_loss",
        "",
        arguments(normal(3), groups_of_two),
        margin=5.0,
        reduction="none",
        without=WHOLE_BATCH,
    ),
]
