"""Which experts of a mixture each token goes to, with what weight, and what each one is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pax._core import accumulation_dtype

#: Calls one expert on tokens: `call(expert, x [M, D]) -> [M, O]`.
Call = Callable[[Any, Array], Array]

#: At most so many tokens go through an expert at a time.
_BLOCK = 128


class Routing(NamedTuple):
    """The choices of N tokens, k each; first all first choices, then all second ones."""

    experts: Int[Array, "k N"]
    #: Zero where a choice was dropped.
    gates: Float[Array, "k N"]
    #: How many choices of the same expert come before; -1 where dropped.
    ranks: Int[Array, "k N"]
    #: How many choices each expert keeps.
    counts: Int[Array, "E"]
    balance_loss: Float[Array, ""]


def route(
    logits: Float[Array, "N E"], top_k: int, normalize_gates: bool, capacity: int | None
) -> Routing:
    """Returns the choices of tokens; each expert keeps the first `capacity` of its own."""
    num_tokens, num_experts = logits.shape
    logits = logits.astype(accumulation_dtype(logits))
    probabilities = jax.nn.softmax(logits)
    highest, experts = jax.lax.top_k(logits, top_k)  # [N, k]
    if normalize_gates:
        gates = jax.nn.softmax(highest)
    else:
        gates = jnp.take_along_axis(probabilities, experts, axis=1)
    experts, gates = experts.T, gates.T
    chosen = experts.reshape(-1)  # [k N]
    counts = jnp.zeros(num_experts, jnp.int32).at[chosen].add(1)
    order = jnp.argsort(chosen, stable=True)
    before = jnp.cumsum(counts, dtype=jnp.int32) - counts
    ranks = jnp.arange(chosen.size, dtype=jnp.int32) - before[chosen[order]]
    ranks = jnp.zeros_like(ranks).at[order].set(ranks).reshape(experts.shape)
    shares = counts.astype(logits.dtype) / max(1, chosen.size)
    means = probabilities.sum(axis=0) / max(1, num_tokens)
    balance_loss = num_experts * (shares @ means)
    if capacity is not None:
        is_kept = ranks < capacity
        gates, ranks = jnp.where(is_kept, gates, 0), jnp.where(is_kept, ranks, -1)
        counts = jnp.minimum(counts, capacity)
    return Routing(experts, gates, ranks, counts, balance_loss)


def mix_dense(call: Call, experts: Any, x: Float[Array, "N D"], to: Routing) -> Array:
    """Returns the mixture of the outputs: every expert computes every token."""
    one = jax.tree_util.tree_map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), experts
    )
    form = jax.eval_shape(call, one, x)
    rows = jnp.arange(len(x), dtype=jnp.int32)[None]
    gates = jnp.zeros((len(to.counts), len(x)), to.gates.dtype).at[to.experts, rows].add(to.gates)

    def body(total: Array, expert_and_gates: tuple[Any, Array]) -> tuple[Array, None]:
        expert, gate = expert_and_gates
        return total + gate[:, None] * call(expert, x).astype(total.dtype), None

    total = jnp.zeros(form.shape, gates.dtype)
    return jax.lax.scan(body, total, (experts, gates))[0].astype(form.dtype)


def mix_sorted(call: Call, experts: Any, x: Float[Array, "N D"], to: Routing) -> Array:
    """Returns the mixture of the outputs: tokens are sorted by expert, and computed k times.

    The tokens of an expert fill whole blocks, the last of them with zeros, so that one block is
    for one expert; a scan runs over the blocks, and over each again in the backward pass.
    """
    size, num_blocks = _blocks(to)
    blocks_of = -(-to.counts // size)  # [E]
    ends = jnp.cumsum(blocks_of, dtype=jnp.int32)
    expert_of = jnp.searchsorted(ends, jnp.arange(num_blocks, dtype=jnp.int32), side="right")
    expert_of = jnp.minimum(expert_of, len(to.counts) - 1)  # blocks at the end may be of nobody
    is_kept = to.ranks >= 0
    slots = (ends - blocks_of)[to.experts] * size + to.ranks
    slots = jnp.where(is_kept, slots, num_blocks * size)  # [k, N]; beyond the end where dropped
    tokens = jnp.broadcast_to(jnp.arange(len(x), dtype=jnp.int32), slots.shape)
    token_of = jnp.full(num_blocks * size, len(x), jnp.int32).at[slots].set(tokens, mode="drop")
    blocks = x.at[token_of].get(mode="fill", fill_value=0).reshape(num_blocks, size, x.shape[1])

    @jax.checkpoint
    def body(_: None, block: tuple[Array, Array]) -> tuple[None, Array]:
        expert = jax.tree_util.tree_map(
            lambda leaf: jax.lax.dynamic_index_in_dim(leaf, block[0], keepdims=False), experts
        )
        return None, call(expert, block[1])

    y = jax.lax.scan(body, None, (expert_of, blocks))[1].reshape(num_blocks * size, -1)
    y = y.at[slots].get(mode="fill", fill_value=0)  # [k, N, O]
    return (to.gates[..., None] * y.astype(to.gates.dtype)).sum(axis=0).astype(y.dtype)


def _blocks(to: Routing) -> tuple[int, int]:
    """Returns the size of a block, and how many there are at most."""
    num_experts, choices = len(to.counts), to.experts.size
    mean = max(1, choices // num_experts)
    size = min(_BLOCK, 1 << (mean.bit_length() - 1))
    return size, (choices + num_experts * (size - 1)) // size
