"""The weights of recurrent cells in the form of each library."""

from __future__ import annotations

import numpy as np

Weights = dict[str, np.ndarray]


def lstm_weights(contender: str, weights: Weights) -> Weights:
    """Returns the weights of an LSTM; others have the gates in the order i, f, g, o."""
    weight, bias = weights["cell.weight"], weights["cell.bias"]
    width = bias.size // 4
    inputs = len(weight) - width
    if contender in ("jax", "pax"):
        return weights
    if contender == "haiku":  # adds 1 to the forget gate by itself
        return {"cell.weight": weight, "cell.bias": bias - np.repeat([0, 0, 1, 0], width)}
    i, g, f, o = np.split(np.concatenate([weight, bias[None]]), 4, axis=1)
    w_input, w_hidden, b = np.split(np.concatenate([i, f, g, o], axis=1), [inputs, -1])
    w_input, w_hidden, b = w_input, w_hidden, b[0]
    if contender == "equinox":
        return {"cell.weight_ih": w_input, "cell.weight_hh": w_hidden, "cell.bias": b}
    if contender == "nnx":
        names = ("cell.dense_i.weight", "cell.dense_h.weight", "cell.dense_h.bias")
        return dict(zip(names, (w_input, w_hidden, b), strict=True))
    names = ("cell.weight_ih_l0", "cell.weight_hh_l0", "cell.bias_ih_l0", "cell.bias_hh_l0")
    return dict(zip(names, (w_input, w_hidden, b, np.zeros_like(b)), strict=True))


def gru_weights(contender: str, weights: Weights) -> Weights:
    """Returns the weights of a GRU, for those who reset the state before the product."""
    if contender != "haiku":
        return weights
    parts = [weights["gates.weight"], weights["candidate.weight"]]
    bias = np.concatenate([weights["gates.bias"], weights["candidate.bias"]])
    inputs = len(parts[0]) - len(bias) // 3
    w_input, w_hidden = np.split(np.concatenate(parts, axis=1), [inputs])
    return {"cell.w_i": w_input, "cell.w_h": w_hidden, "cell.bias": bias}
