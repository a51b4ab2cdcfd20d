"""Attention whose memory is one matrix a head, which decays."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError, varying_as
from pax.functional.arrays import accumulation_dtype, as_floating, promote
from pax.functional.linear_recurrence import chosen, in_blocks, state_or_zeros

#: So many steps are one block: its products of decays take this times the bytes of the keys. CPU
#: milliseconds of a training step of 2,048 steps, batch 4, 4 heads, K 32, V 64: in steps 158, 144,
#: 161 in blocks of 8, 16, 64 and 317 in one (71, 55, 53 and 583 MB of temporary memory); in
#: parallel 203, 229 and 412 in blocks of 8, 16 and 32.
_BLOCK = 16


def gated_linear_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    decay: ArrayLike,
    state: ArrayLike | None = None,
    *,
    implementation: str | None = None,
) -> tuple[Float[Array, "B H K V"], Float[Array, "B T H V"]]:
    """Runs linear attention with a decay for each number of the keys.

    S_t = diag(decay_t) S_{t-1} + key_t value_t^T; y_t = S_t^T query_t, in each head, with S_{-1}
    the argument `state`. No scale, no softmax; nothing is divided by products of decays. Memory,
    that of the gradient too, grows with T, not with its square.

    Args:
        query: shape [B, T, H, K].
        key: shape [B, T, H, K].
        value: shape [B, T, H, V].
        decay: what remains of each row of S, from 0 to 1, shape [B, T, H, K].
        state: S before, shape [B, H, K, V]; zeros by default.
        implementation: "steps", one after the other; "parallel", products of matrices over blocks
            of 16 steps; None takes steps on CPUs and parallel elsewhere.
    Returns:
        S after the last step, and y, in the dtype `jnp` promotes query, key, value and decay to;
        S in that of the argument `state` if there is one.
    Raises:
        ArgumentError: if implementation is none of these.
        DtypeError: if an argument is not floating.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> q, v = jnp.ones((1, 3, 1, 1)), jnp.array([4.0, 0.0, 1.0]).reshape(1, 3, 1, 1)
        >>> state, y = pax.functional.gated_linear_attention(q, q, v, 0.5 * q)
        >>> print(y.ravel(), state.ravel())
        [4. 2. 2.] [2.]
    Source: Yang et al., "Gated linear attention transformers with hardware-efficient training",
        2023 (arXiv 2312.06635).
    """
    name = "gated_linear_attention"
    given = {"query": query, "key": key, "value": value, "decay": decay}
    arrays = {key: as_floating(name, key, x) for key, x in given.items()}
    shapes = [x.shape for x in arrays.values()]
    if not _fit(*shapes):
        found = ", ".join(f"{key} {x.shape}" for key, x in arrays.items())
        raise ShapeError(
            f"{name} got {found}; expected [B, T, H, K], value [B, T, H, V].",
            "query, key and decay have one shape; value may differ in its last axis.",
        )
    batch, _, heads, width = shapes[0]
    expected = (batch, heads, width, shapes[2][-1])
    four = promote(*arrays.values())
    state = state_or_zeros(name, state, "[B, H, K, V]", expected, four[0].dtype)
    return _attend(*four, state, chosen(name, implementation))


def _fit(query: tuple, key: tuple, value: tuple, decay: tuple) -> bool:
    return len(query) == len(value) == 4 and query == key == decay and query[:3] == value[:3]


@partial(jax.jit, static_argnums=5, inline=True)
def _attend(
    query: Array, key: Array, value: Array, decay: Array, state: Array, implementation: str
) -> tuple[Array, Array]:
    wide = accumulation_dtype(query)
    xs = tuple(x.astype(wide).swapaxes(0, 1) for x in (query, key, value, decay))
    run = _steps if implementation == "steps" or not query.shape[1] else _block
    after, y = in_blocks(run, varying_as(state.astype(wide), xs), xs, _BLOCK)
    return after.astype(state.dtype), y.swapaxes(0, 1).astype(query.dtype)


def _steps(state: Array, xs: tuple[Array, ...]) -> tuple[Array, Array]:
    """Does some steps, xs of shape [T, B, H, ...]."""

    def step(state: Array, xs: tuple[Array, ...]) -> tuple[Array, Array]:
        query, key, value, decay = xs
        state = decay[..., None] * state + key[..., None] * value[..., None, :]
        return state, (query[..., None] * state).sum(-2)

    return lax.scan(step, state, xs)


def _block(state: Array, xs: tuple[Array, ...]) -> tuple[Array, Array]:
    """Does some steps at once, xs of shape [T, B, H, ...]."""
    query, key, value, decay = (jnp.moveaxis(x, 0, 2) for x in xs)  # [B, H, T, ...]
    seen = jnp.tril(jnp.ones((query.shape[2],) * 2, bool))[None, None]  # [1, 1, T, S]
    later = jnp.tril(seen, -1)[..., None]
    # what is left at t of the key of s: decay_{s+1} ... decay_t, [B, H, T, S, K]
    left = jnp.cumprod(jnp.where(later, decay[:, :, :, None], 1), 2)
    scores = jnp.where(seen, jnp.einsum("bhtk,bhsk,bhtsk->bhts", query, key, left), 0)
    from_start = jnp.cumprod(decay, 2)
    y = scores @ value + (query * from_start) @ state
    state = from_start[:, :, -1, :, None] * state + (key * left[:, :, -1]).mT @ value
    return state, jnp.moveaxis(y, 2, 0)
