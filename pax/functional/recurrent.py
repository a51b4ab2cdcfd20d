"""Recurrent cells: what one step makes of the gates and the state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError
from pax.functional.arrays import accumulation_dtype, as_floating, promote


def vanilla_rnn_step(gates: ArrayLike) -> Float[Array, "*B hidden_dim"]:
    """Does one step of the plain recurrent network.

    h' = tanh(gates).

    Args:
        gates: a dense layer of [x, h], shape [..., hidden_dim].
    Returns:
        h', shape [..., hidden_dim].
    Raises:
        DtypeError: if gates are not floating.
    Example:
        >>> pax.functional.vanilla_rnn_step(jnp.array([0.0, 100.0]))
        Array([0., 1.], dtype=float32)
    Source: Elman, "Finding structure in time", 1990.
    """
    return jnp.tanh(as_floating("vanilla_rnn_step", "gates", gates))


def lstm_step(
    gates: ArrayLike,
    cell: ArrayLike,
    forget_gate_bias: float = 0.0,
    *,
    peephole: ArrayLike | None = None,
    cell_norm: Callable[[Array], Array] | None = None,
) -> tuple[Float[Array, "*B hidden_dim"], Float[Array, "*B hidden_dim"]]:
    """Does one step of the long short-term memory.

    i, g, f, o = split(gates); c' = sigmoid(f + forget_gate_bias) c + sigmoid(i) tanh(g);
    h' = sigmoid(o) tanh(c'), with c the argument `cell`. With peepholes p, i and f are
    i + p_0 c and f + p_1 c, and o is o + p_2 c'. With a norm, it is tanh(norm(c')).

    Args:
        gates: a dense layer of [x, h], shape [..., 4 hidden_dim]: input gate i, candidate g,
            forget gate f, output gate o.
        cell: shape [..., hidden_dim].
        forget_gate_bias: added before the sigmoid of the forget gate; more of it forgets less.
        peephole: weights p by which the gates i, f and o see the cell, shape [3, ...], broadcast
            along the first axes of the cell; None for none.
        cell_norm: what c' goes through before the tanh; the cell itself stays as it is.
    Returns:
        h' and c', each of shape [..., hidden_dim].
    Raises:
        ShapeError: if gates are not four times as wide as the cell, or the peephole does not fit.
        DtypeError: if an argument is not floating.
    Example:
        >>> hidden, cell = pax.functional.lstm_step(jnp.zeros((1, 8)), jnp.ones((1, 2)))
        >>> cell
        Array([[0.5, 0.5]], dtype=float32)
    Source: Hochreiter, Schmidhuber, "Long short-term memory", 1997; Gers, Schraudolph,
        Schmidhuber, "Learning precise timing with LSTM recurrent networks", 2002 (peepholes).
    """
    gates = as_floating("lstm_step", "gates", gates)
    cell = as_floating("lstm_step", "cell", cell)
    if cell.ndim == 0 or gates.shape != (*cell.shape[:-1], 4 * cell.shape[-1]):
        raise ShapeError(
            f"lstm_step got gates of shape {gates.shape} and cell of shape {cell.shape}; expected "
            "(..., 4 * hidden_dim) and (..., hidden_dim).",
            "make the gates by a dense layer from [x, hidden] to 4 * hidden_dim.",
        )
    if peephole is None and cell_norm is None:
        return _lstm_step(gates, cell, float(forget_gate_bias))
    return _lstm_variant(gates, cell, float(forget_gate_bias), peephole, cell_norm)


@partial(jax.jit, static_argnums=2, inline=True)  # one dispatch where called eagerly
def _lstm_step(gates: Array, cell: Array, forget_gate_bias: float) -> tuple[Array, Array]:
    gates, cell = promote(gates, cell)
    narrow, wide = cell.dtype, accumulation_dtype(cell)
    gates = gates.astype(wide).reshape(*cell.shape[:-1], 4, cell.shape[-1])
    if forget_gate_bias:
        gates = gates + _of_each_gate(gates, 0.0, 0.0, forget_gate_bias, 0.0)
    gates = _gates(gates).reshape(*cell.shape[:-1], 4 * cell.shape[-1])
    i, g, f, o = jnp.split(gates, 4, axis=-1)
    cell = f * cell.astype(wide) + i * g
    return (o * jnp.tanh(cell)).astype(narrow), cell.astype(narrow)


def _lstm_variant(
    gates: Array, cell: Array, forget_gate_bias: float, peephole: Any, cell_norm: Any
) -> tuple[Array, Array]:
    gates, cell = promote(gates, cell)
    narrow, wide = cell.dtype, accumulation_dtype(cell)
    i, g, f, o = jnp.split(gates.astype(wide), 4, axis=-1)
    cell = cell.astype(wide)
    sees: Any = None
    if peephole is not None:
        sees = _peephole(peephole, cell).astype(wide)
        i, f = i + sees[0] * cell, f + sees[1] * cell
    cell = jax.nn.sigmoid(f + forget_gate_bias) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    if peephole is not None:
        o = o + sees[2] * cell
    shown = cell if cell_norm is None else cell_norm(cell.astype(narrow)).astype(wide)
    return (jax.nn.sigmoid(o) * jnp.tanh(shown)).astype(narrow), cell.astype(narrow)


def _peephole(peephole: ArrayLike, cell: Array) -> Array:
    """Returns the weights with all axes of the cell; raises if they do not fit."""
    weights = as_floating("lstm_step", "peephole", peephole)
    axes = weights.shape[1:]
    if weights.ndim < 2 or weights.shape[0] != 3 or axes != cell.shape[cell.ndim - len(axes) :]:
        raise ShapeError(
            f"lstm_step got peephole of shape {weights.shape} and cell of shape {cell.shape}; "
            f"expected (3, {cell.shape[-1]}).",
            "give one weight for each of the gates input, forget and output, and each entry.",
        )
    return weights.reshape(3, *(1,) * (cell.ndim - len(axes)), *axes)


@jax.custom_jvp
def _gates(x: Array) -> Array:
    """Returns sigmoid(x), of the second gate tanh(x), of x [..., 4, hidden_dim].

    sigmoid(x) = tanh(x / 2) / 2 + 1 / 2, so that all of it is one tanh. XLA on a CPU computes that
    in vectors; functions of each gate alone, after a split, take four times as long.
    """
    scale = _of_each_gate(x, 0.5, 1.0, 0.5, 0.5)
    return scale * jnp.tanh(scale * x) + _of_each_gate(x, 0.5, 0.0, 0.5, 0.5)


@_gates.defjvp
def _gates_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Keeps one array for the backward pass: y - y^2, of the second gate 1 - y^2."""
    y = _gates(*primals)
    is_tanh = _of_each_gate(y, 0.0, 1.0, 0.0, 0.0)
    return y, (y + is_tanh * (1 - y) - y * y) * tangents[0]


def _of_each_gate(gates: Array, *values: float) -> Array:
    return jnp.array(values, gates.dtype).reshape((1,) * (gates.ndim - 2) + (4, 1))


def gru_gates(
    gates: ArrayLike,
) -> tuple[Float[Array, "*B hidden_dim"], Float[Array, "*B hidden_dim"]]:
    """Makes the update and reset gates of a gated recurrent unit.

    z, r = split(sigmoid(gates)).

    Args:
        gates: a dense layer of [x, h], shape [..., 2 hidden_dim].
    Returns:
        z and r, each of shape [..., hidden_dim].
    Raises:
        ShapeError: if the last axis of gates cannot be halved.
        DtypeError: if gates are not floating.
    Example:
        >>> update, reset = pax.functional.gru_gates(jnp.array([0.0, 100.0]))
        >>> update.item(), reset.item()
        (0.5, 1.0)
    """
    gates = as_floating("gru_gates", "gates", gates)
    if gates.ndim == 0 or gates.shape[-1] % 2:
        raise ShapeError(
            f"gru_gates got gates of shape {gates.shape}; expected (..., 2 * hidden_dim).",
            "make the gates by a dense layer from [x, hidden] to 2 * hidden_dim.",
        )
    return _gru_gates(gates)


@partial(jax.jit, inline=True)
def _gru_gates(gates: Array) -> tuple[Array, Array]:
    z, r = jnp.split(jax.nn.sigmoid(gates), 2, axis=-1)
    return z, r


def gru_step(
    hidden: ArrayLike, update: ArrayLike, candidate: ArrayLike
) -> Float[Array, "*B hidden_dim"]:
    """Does one step of the fully gated recurrent unit.

    h' = (1 - z) h + z tanh(candidate), with h the argument `hidden` and z `update`.

    Args:
        hidden: shape [..., hidden_dim].
        update: the gate z of `gru_gates`, shape [..., hidden_dim].
        candidate: a dense layer of [x, r h], with r the other gate, shape [..., hidden_dim].
    Returns:
        h', shape [..., hidden_dim].
    Raises:
        ShapeError: if the shapes are not equal.
        DtypeError: if an argument is not floating.
    Example:
        >>> hidden, update = jnp.array([2.0, 2.0]), jnp.array([0.0, 1.0])
        >>> pax.functional.gru_step(hidden, update, jnp.array([100.0, 100.0]))
        Array([2., 1.], dtype=float32)
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder for
        statistical machine translation", 2014 (arXiv 1406.1078).
    """
    hidden = as_floating("gru_step", "hidden", hidden)
    update = as_floating("gru_step", "update", update)
    candidate = as_floating("gru_step", "candidate", candidate)
    if not hidden.shape == update.shape == candidate.shape:
        raise ShapeError(
            f"gru_step got hidden {hidden.shape}, update {update.shape}, candidate "
            f"{candidate.shape}; expected equal shapes.",
            "make gate and candidate by dense layers to the width of hidden.",
        )
    return _gru_step(hidden, update, candidate)


@partial(jax.jit, inline=True)
def _gru_step(hidden: Array, update: Array, candidate: Array) -> Array:
    return (1 - update) * hidden + update * jnp.tanh(candidate)
