"""Errors of attention with several heads, word for word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

B, T, S, H, K, D = 2, 4, 5, 4, 4, 6


def random(*shape: int) -> np.ndarray:
    """Returns random numbers."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


QUERY, KEY = random(B, T, D), random(B, S, 3)

NAME = "MultiHeadAttention"
TEXT = f"{NAME}(num_heads=4, key_size=4, query_dim=6)"
POSITION_FIX = (
    "write position=pax.RotaryEmbed(key_size); layers that add vectors, such as PositionEmbed, "
    "come before attention."
)


def argument(found: str, fix: str, **options: Any) -> Bad:
    """Returns arguments that are refused."""
    make = lambda: pax.MultiHeadAttention(H, K, 1.0, **options)  # noqa: E731
    return Bad(make, pax.ArgumentError, f"{NAME} got {found}", fix)


def size(name: str, value: Any) -> Bad:
    """Returns a size that is refused."""
    found = f"{name}={value!r}; expected an integer of at least 1."
    return argument(found, f"set {name} to a positive integer.", **{name: value})


@each(
    size("num_kv_heads", 0),
    size("query_dim", 1.5),
    size("value_size", -1),
    size("window", 0),
    argument(
        "num_kv_heads=3 with num_heads=4; expected a divisor of num_heads.",
        "equally many heads of the query share each head of keys and values: choose 1, num_heads, "
        "or a divisor between.",
        num_kv_heads=3,
    ),
    argument(
        "soft_cap=0; expected a positive number.", "set soft_cap to a positive number.", soft_cap=0
    ),
    argument(
        "scale=-1.0; expected a positive number.", "set scale to a positive number.", scale=-1.0
    ),
    argument(
        "dropout_rate=1.0; expected a number in [0, 1).",
        "write dropout_rate=0.1.",
        dropout_rate=1.0,
    ),
    argument(
        "with_bias of type int; expected True or False.",
        "write with_bias=True, and name the arguments after it.",
        with_bias=1,
    ),
    argument(
        "with_sinks of type NoneType; expected True or False.",
        "write with_sinks=True, and name the arguments after it.",
        with_sinks=None,
    ),
    argument(
        "position of type str; expected a RotaryEmbed, Alibi or RelativePositionBias.",
        POSITION_FIX,
        position="rotary",
    ),
    argument(
        "position=RotaryEmbed(key_size=8, theta=10000.0, convention=halves) with key_size=4.",
        "build it with key_size=4.",
        position=pax.RotaryEmbed(8),
    ),
    argument(
        "position=Alibi(num_heads=2) with num_heads=4.",
        "build it with num_heads=4.",
        position=pax.Alibi(2),
    ),
)
def test_bad_arguments(bad: Bad, unchecked: None) -> None:
    bad.check()


class Model(pax.Module):
    """Holds a layer."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.attention(*args, **kwargs)


ALIBI = {"position": pax.Alibi(H)}


@pytest.mark.parametrize(
    ("kind", "options", "inputs", "call", "found", "fix"),
    [
        (
            pax.ArgumentError,
            ALIBI,
            (QUERY, QUERY, QUERY),
            ALIBI,
            f"{TEXT} got position=Alibi(num_heads=4) at the call although it has its own.",
            "build the layer without position, or leave it out at the call.",
        ),
        (
            pax.ArgumentError,
            {},
            (QUERY, QUERY, QUERY),
            {"position": pax.Alibi(2)},
            f"{TEXT} got position=Alibi(num_heads=2) with num_heads=4.",
            "build it with num_heads=4.",
        ),
        (
            pax.ArgumentError,
            {"position": pax.RelativePositionBias(8, 5, H)},
            (QUERY, QUERY, QUERY),
            {"bias": random(T, T)},
            f"{TEXT} got bias beside RelativePositionBias(num_buckets=8, max_distance=5, "
            "num_heads=4, is_bidirectional=True); expected one of them.",
            "add what position(query_positions, key_positions) returns to your bias.",
        ),
        (
            pax.ArgumentError,
            {},
            (QUERY, random(B, S, D), random(B, S, D)),
            {"positions": np.arange(T)},
            f"{TEXT} got positions without key_positions for 4 queries and 5 keys; expected both.",
            "pass key_positions too; only of equally many places are they the same.",
        ),
        (
            pax.ArgumentError,
            {},
            (QUERY, QUERY, QUERY),
            {"key_segment_ids": np.arange(T)},
            f"{TEXT} got key_segment_ids without segment_ids; expected both.",
            "pass segment_ids too, one for each place of the query.",
        ),
        (
            pax.DtypeError,
            {},
            (QUERY, QUERY, QUERY),
            {"segment_ids": np.ones(T, np.float32)},
            f"{TEXT} got segment_ids of dtype float32; expected integers.",
            "give one integer for each place.",
        ),
        (
            pax.ShapeError,
            {},
            (QUERY, QUERY, QUERY),
            {"positions": np.arange(B)},
            f"{TEXT} got positions of shape (2,); expected (4,) or (2, 4).",
            "give one integer for each place, for all sequences or for each.",
        ),
        (
            pax.ShapeError,
            {},
            (KEY, QUERY, QUERY),
            {},
            f"{TEXT} got query of shape (2, 5, 3); expected (..., time, 6), the width being "
            "query_dim.",
            "build the layer with query_dim=3.",
        ),
    ],
)
def test_bad_calls(
    kind: Any, options: Any, inputs: Any, call: Any, found: str, fix: str, unchecked: None
) -> None:
    model = Model(pax.MultiHeadAttention(H, K, 1.0, query_dim=D, **options))
    with pytest.raises(kind) as raised:
        model(*inputs, **call)
    assert str(raised.value) == f"{found}\n  at: model.attention\n  fix: {fix}"
