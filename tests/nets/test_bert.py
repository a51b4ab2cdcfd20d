"""BERT: sizes, padding and errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

SHOWN = "BERT(vocab_size=9, dim=8, num_heads=2, num_layers=1)"
TOKENS = np.array([[3, 1, 4, 1], [5, 2, 0, 0]], np.int32)


def bert(**options: Any) -> Any:
    sizes = {"dim": 8, "num_heads": 2, "num_layers": 1, "max_length": 4}
    return pax.nets.BERT(9, **sizes | options).eval()


def test_the_published_size() -> None:
    """The base model, with pooler and head."""
    make = lambda: pax.nets.BERT(30_522, dropout_rate=0.0, rng_key=jax.random.key(0))  # noqa: E731
    net: Any = jax.eval_shape(make)
    parameters = net.parameters()
    head = (parameters.head, parameters.head_norm, parameters.head_bias)
    count = lambda tree: sum(x.size for x in jax.tree.leaves(tree))  # noqa: E731
    assert count(parameters) - count(head) == 109_482_240


@pytest.mark.slow
def test_padding_is_not_seen() -> None:
    net, mask = bert(), TOKENS != 0
    x, pooled = net(TOKENS, None, mask)
    other = np.where(mask, TOKENS, 7)
    y, again = net(other, np.zeros_like(TOKENS), mask)
    np.testing.assert_array_equal(x[mask], y[mask])
    np.testing.assert_array_equal(pooled, again)
    assert np.abs(net(other)[1] - again)[1].max() > 1e-6


@pytest.mark.slow
def test_segments_are_told_apart() -> None:
    net = bert()
    x, _ = net(TOKENS)
    y, _ = net(TOKENS, np.ones_like(TOKENS))
    assert np.abs(x - y).max() > 1e-4


@each(
    Bad(
        bert,
        pax.ShapeError,
        f"{SHOWN} got tokens of shape (2, 4), mask of shape (2, 3); expected (batch, time) of all.",
        "pad the texts of a batch to one length, and pass mask=is_token.",
        (TOKENS, None, TOKENS[:, 1:]),
    ),
    Bad(
        bert,
        pax.ShapeError,
        f"{SHOWN} got tokens of shape (4,), segments of shape (4,); expected (batch, time) of all.",
        "pad the texts of a batch to one length, and pass mask=is_token.",
        (TOKENS[0],),
    ),
)
def test_errors(bad: Bad, unchecked: None) -> None:
    bad.check()
