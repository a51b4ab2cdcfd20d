"""A layer of many experts, of which each token takes a few."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

import pax.initializers as initializers
from pax._core import ArgumentError, Module, ShapeError, arguments, keys_for_parts, note_part
from pax.nn import expert_routing, given
from pax.nn.linear import Linear
from pax.nn.stacked import Stack


class MixtureOfExperts(Module):
    """Sends each token to the `top_k` experts that fit it best, and adds up what they return.

    y = sum_i g_i f_i(x) over the k experts f_i of largest logit x W_i. The gates g are the softmax
    of these k logits, as in Mixtral; with `normalize_gates=False` they are the probabilities
    p = softmax(x W) over all experts, which do not sum to 1, as in Switch. Both are computed in
    float32 at least.

    While training, a call sets `balance_loss` to E sum_i c_i P_i, with c_i the share of all
    choices that fell on expert i, before any is dropped, and P_i the mean of p_i over the tokens:
    1 where the experts have equal work. It is state of the layer, carries gradients, and is for
    the training loss to add, a hundredth of it, say, from the module that `pax.purecall` returns.

    With a capacity an expert takes ceil(capacity_factor N k / E) of N tokens at most; the choices
    beyond it are dropped: they add zero, and the other gates stay. All first choices go before all
    second ones, and so on; among these earlier tokens go first, in the order of the input. What is
    dropped then depends on all tokens of a call, padding included: steps of decoding drop others
    than one call does.

    Experts are computed as one stacked module, and may not change their state: put dropout after
    the mixture. With `dispatch="sorted"` an expert computes the tokens that chose it, in blocks,
    and again in the backward pass; the memory is that of N k tokens at the width of input and
    output. With "dense" every expert computes all tokens, one expert after the other, and the
    backward pass keeps what all have computed inside. The results are the same.

    Args:
        in_dim: D, size of the last axis of the input.
        num_experts: E, number of experts.
        make_expert: builds one expert, a module from [M, D] to [M, O] that treats each of the M
            tokens alike; called as `make_expert()`, or `make_expert(rng_key=...)` if `rng_key` is
            given. All are of one structure, as in `pax.Stack`.
        top_k: k, number of experts for each token.
        normalize_gates: whether the gates of a token sum to 1.
        capacity_factor: how many times its even share of the choices an expert takes at most; None
            sets no limit.
        dispatch: "sorted" or "dense".
        w_init: draws W as `w_init(rng_key, shape)`; by default as in `pax.Linear`.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> layer = pax.MixtureOfExperts(8, 4, lambda: pax.MLP((8, 32, 8)))
        >>> layer, y = pax.purecall(layer, jax.random.normal(jax.random.key(0), (2, 5, 8)))
        >>> y.shape, layer.balance_loss.shape, layer.experts[3]
        ((2, 5, 8), (), MLP(dims=(8, 32, 8)))
    Source: Shazeer et al., "Outrageously large neural networks", 2017 (arXiv 1701.06538); loss
        and capacity: Fedus et al., "Switch Transformers", 2021 (arXiv 2101.03961); gates: Jiang et
        al., "Mixtral of experts", 2024 (arXiv 2401.04088).
    """

    router: Linear
    experts: Stack
    balance_loss: Float[Array, ""]

    def __init__(
        self,
        in_dim: int,
        num_experts: int,
        make_expert: Callable[..., Module],
        *,
        top_k: int = 2,
        normalize_gates: bool = True,
        capacity_factor: float | None = None,
        dispatch: str = "sorted",
        w_init: arguments.Initializer | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("MixtureOfExperts", in_dim=in_dim, num_experts=num_experts, top_k=top_k)
        arguments.flags("MixtureOfExperts", normalize_gates=normalize_gates)
        arguments.one_of("MixtureOfExperts", "dispatch", dispatch, ("sorted", "dense"))
        arguments.initializer("MixtureOfExperts", "w_init", w_init)
        if capacity_factor is not None:
            capacity_factor = arguments.positive(
                "MixtureOfExperts", "capacity_factor", capacity_factor
            )
        _check_top_k(top_k, num_experts, normalize_gates)
        self.in_dim = in_dim
        self.num_experts = num_experts
        self.top_k = top_k
        self.normalize_gates = normalize_gates
        self.capacity_factor = capacity_factor
        self.dispatch = dispatch
        router_key, expert_key = keys_for_parts(rng_key, 2)
        self.router = Linear(in_dim, num_experts, False, w_init, rng_key=router_key)
        self.experts = Stack(make_expert, num_experts, rng_key=expert_key)
        self.balance_loss = initializers.zeros(None, ())

    def __call__(self, x: Float[ArrayLike, "*batch in_dim"]) -> Float[Array, "*batch _"]:
        """Mixes what the experts return for each token.

        Args:
            x: tokens, shape [..., in_dim], floating.
        Returns:
            Shape [..., O], in the dtype that the experts return.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis of x is not in_dim, or an expert returns another number
                of tokens.
            PurityError: in training mode outside `pax.pure`.
        """
        x = given.floating(self, x)
        given.last_axis(self, x, self.in_dim, "in_dim")
        tokens = x.reshape(-1, self.in_dim)
        capacity = None
        if self.capacity_factor is not None:
            share = self.capacity_factor * len(tokens) * self.top_k / self.num_experts
            capacity = math.ceil(share)
        y, balance_loss = _mixture(
            self.experts.stacked,
            tokens,
            self.router(tokens),
            self.top_k,
            self.normalize_gates,
            capacity,
            self.dispatch if len(tokens) else "dense",
        )
        if self.training:
            self.balance_loss = balance_loss.astype(self.balance_loss.dtype)
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def __repr__(self) -> str:
        return self._repr(
            {
                "in_dim": self.in_dim,
                "num_experts": self.num_experts,
                "top_k": self.top_k,
                "capacity_factor": self.capacity_factor,
                "dispatch": self.dispatch,
            }
        )


@functools.partial(jax.jit, inline=True, static_argnums=(3, 4, 5, 6))
def _mixture(
    experts: Any,
    x: Array,
    logits: Array,
    top_k: int,
    normalize_gates: bool,
    capacity: int | None,
    dispatch: str,
) -> tuple[Array, Array]:
    """Returns the mixture for tokens [N, D], and how uneven the choices are."""
    routing = expert_routing.route(logits, top_k, normalize_gates, capacity)
    mix = expert_routing.mix_sorted if dispatch == "sorted" else expert_routing.mix_dense
    return mix(_call, experts, x, routing), routing.balance_loss


def _call(expert: Any, x: Array) -> Array:
    """Returns what an expert makes of tokens [M, D]; raises if it is not [M, O]."""
    note_part("experts.*", expert)
    y = expert(x)
    if not isinstance(y, jax.Array) or y.ndim != 2 or len(y) != len(x):
        raise ShapeError(
            f"MixtureOfExperts got {jnp.shape(y)} from an expert that was given tokens of shape "
            f"{x.shape}; expected ({len(x)}, width).",
            "let an expert map the last axis of its input, as pax.MLP does.",
        )
    return y


def _check_top_k(top_k: int, num_experts: int, normalize_gates: bool) -> None:
    if top_k > num_experts:
        raise ArgumentError(
            f"MixtureOfExperts got top_k={top_k} of num_experts={num_experts}; a token takes an "
            "expert once.",
            "choose top_k of at most num_experts.",
        )
    if top_k == 1 and normalize_gates:
        raise ArgumentError(
            "MixtureOfExperts got top_k=1 with normalize_gates=True: the only gate of a token "
            "would be 1, and the router would get no gradient from what the expert returns.",
            "write normalize_gates=False: the gate is then the probability, as in Switch.",
        )
