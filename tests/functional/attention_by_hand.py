"""Attention one query and one key at a time, in float64: what every implementation must give."""

from __future__ import annotations

from typing import Any

import numpy as np


def by_hand(query: Any, key: Any, value: Any, **options: Any) -> np.ndarray:
    """Attends with the options of `dot_product_attention`, but for dropout."""
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    batch, queries, heads, width = query.shape
    keys, groups = key.shape[1:3]
    over = {"batch": batch, "heads": heads, "queries": queries, "keys": keys}
    y = np.zeros((batch, queries, heads, value.shape[-1]))
    for b, h, t in np.ndindex(batch, heads, queries):
        g = h // (heads // groups)
        scores = np.full(keys, -np.inf)
        for s in range(keys):
            if _is_seen(options, over, b, h, t, s):
                scores[s] = _score(options, over, query[b, t, h] @ key[b, s, g], width, b, h, t, s)
        seen = np.isfinite(scores)
        if seen.any():
            weights = np.exp(scores[seen])
            sink = np.exp(options["sinks"][h]) if "sinks" in options else 0.0
            y[b, t, h] = weights @ value[b, seen, g] / (weights.sum() + sink)
    return y


def _positions(options: Any, over: Any, b: int, t: int, s: int) -> tuple[int, int]:
    found = []
    for name, length, place in (("query", over["queries"], t), ("key", over["keys"], s)):
        given = options.get(f"{name}_positions", np.arange(length))
        found.append(int(np.broadcast_to(given, (over["batch"], length))[b, place]))
    return found[0], found[1]


def _is_seen(options: Any, over: Any, b: int, h: int, t: int, s: int) -> bool:
    p, q = _positions(options, over, b, t, s)
    if q < 0 or (options.get("is_causal") and p < q):
        return False
    if "window" in options and abs(p - q) >= options["window"]:
        return False
    if "query_segment_ids" in options:
        of_query = np.broadcast_to(options["query_segment_ids"], (over["batch"], over["queries"]))
        of_key = np.broadcast_to(options["key_segment_ids"], (over["batch"], over["keys"]))
        if of_query[b, t] != of_key[b, s]:
            return False
    return "mask" not in options or bool(np.broadcast_to(options["mask"], _all(over))[b, h, t, s])


def _score(
    options: Any, over: Any, product: float, width: int, b: int, h: int, t: int, s: int
) -> float:
    score = product * options.get("scale", 1 / np.sqrt(width))
    if "soft_cap" in options:
        score = options["soft_cap"] * np.tanh(score / options["soft_cap"])
    if "bias" in options:
        score += np.broadcast_to(np.asarray(options["bias"], np.float64), _all(over))[b, h, t, s]
    if "alibi_slopes" in options:
        p, q = _positions(options, over, b, t, s)
        score -= options["alibi_slopes"][h] * abs(p - q)
    return score


def _all(over: Any) -> tuple[int, ...]:
    return tuple(over[name] for name in ("batch", "heads", "queries", "keys"))
