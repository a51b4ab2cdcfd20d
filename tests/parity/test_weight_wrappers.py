"""Parity of normalised weights with torch's parametrizations, over training steps too."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn.utils import parametrizations

import pax
from tests.parity.compare import assert_close, assert_like_torch, normal

#: Each layer, its twin, how its weight becomes the twin's, and the input of both.
TWINS: dict[str, Any] = {
    "linear": (lambda: pax.Linear(5, 4), lambda: torch.nn.Linear(5, 4), (1, 0), (3, 5)),
    "conv": (
        lambda: pax.Conv2D(2, 4, (3, 2), padding="VALID", data_format="NCHW"),
        lambda: torch.nn.Conv2d(2, 4, (3, 2)),
        (3, 2, 0, 1),
        (2, 2, 4, 5),
    ),
    "transposed": (  # the kernel of size 1 needs no flip
        lambda: pax.Conv1DTranspose(2, 4, 1, padding="VALID", data_format="NCW"),
        lambda: torch.nn.ConvTranspose1d(2, 4, 1),
        (2, 1, 0),
        (2, 2, 5),
    ),
}
slow = functools.partial(pytest.param, marks=pytest.mark.slow)
WEIGHT = "parametrizations.weight"


def called(theirs: Any) -> Any:
    """Returns a torch module in float64 as a function of its arrays and an input."""
    return lambda arrays, x: torch.func.functional_call(theirs.double(), arrays, (x,))


@pytest.mark.parametrize(
    ("twin", "axis", "dim"),
    [
        ("linear", -1, 0),
        slow("linear", 0, 1),
        slow("linear", None, None),
        ("conv", -1, 0),
        slow("transposed", -1, 0),
        slow("transposed", -2, 1),
    ],
)
def test_weight_norm(twin: str, axis: int | None, dim: int | None) -> None:
    make, make_theirs, axes, shape = TWINS[twin]
    theirs = called(parametrizations.weight_norm(make_theirs(), dim=dim))  # type: ignore[arg-type]

    def reference(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        direction = p["layer.weight"].permute(axes)
        size = [-1 if i == dim else 1 for i in range(direction.ndim)]
        length = p["scales.weight"].reshape(size if dim is not None else ())
        arrays = {f"{WEIGHT}.original0": length, f"{WEIGHT}.original1": direction}
        return theirs(arrays | {"bias": p["layer.bias"]}, x)

    assert_like_torch(lambda: pax.WeightNorm(make(), axis=axis), [normal(*shape)], reference)


def test_weight_norm_starts_as_the_layer() -> None:
    theirs = parametrizations.weight_norm(torch.nn.Linear(5, 4))
    ours = pax.WeightNorm(pax.Linear(5, 4).replace(weight=jnp.asarray(theirs.weight.detach().T)))
    expected = theirs.parametrizations.weight.original0.detach().ravel()  # type: ignore[union-attr]
    np.testing.assert_allclose(ours.scales["weight"], expected, rtol=1e-6)


def spectral(twin: str, num_steps: int) -> tuple[Any, Any, tuple[int, ...]]:
    """Returns a layer and its twin with the same weights and vectors, and the input's shape."""
    make, make_theirs, axes, shape = TWINS[twin]
    axis = -2 if twin == "transposed" else -1  # torch takes the outputs of both
    theirs = parametrizations.spectral_norm(make_theirs().double(), n_power_iterations=num_steps)
    state: Any = theirs.parametrizations.weight
    ours = pax.SpectralNorm(make(), axis=axis, num_steps=num_steps)
    weight = state.original.detach().numpy().transpose(np.argsort(axes))
    u, v = (x.numpy().copy() for x in (state[0]._u, state[0]._v))
    rows = axes[int(twin == "transposed")]
    rest = [i for i in axes if i != rows]  # our axes in the order of torch's columns
    v = v.reshape([weight.shape[i] for i in rest]).transpose(np.argsort(rest)).ravel()
    layer = ours.layer.replace(
        weight=jnp.asarray(weight), bias=jnp.asarray(theirs.bias.detach().numpy())
    )
    vectors = {"u": {"weight": jnp.asarray(u)}, "v": {"weight": jnp.asarray(v)}}
    return ours.replace(layer=layer, **vectors), theirs, shape


@pytest.mark.parametrize(
    ("twin", "num_steps"), [("linear", 1), slow("conv", 2), slow("transposed", 1)], ids=str
)
def test_spectral_norm_over_training_steps(twin: str, num_steps: int) -> None:
    with jax.enable_x64(True):
        ours, theirs, shape = spectral(twin, num_steps)

        @jax.jit
        def step(module: Any, x: Any, weights: Any) -> Any:
            def loss(params: Any) -> Any:
                after, y = pax.purecall(module | params, x)
                return (y * weights).sum(), (after, y)

            return pax.grad(loss, has_aux=True)(module)

        optimizer = torch.optim.SGD(theirs.parameters(), 0.1)
        for i in range(3):
            x = normal(*shape, seed=i)
            expected = theirs(torch.tensor(x))
            weights = normal(*expected.shape, seed=9 + i)
            optimizer.zero_grad()
            (expected * torch.tensor(weights)).sum().backward()
            optimizer.step()
            grads, (ours, y) = step(ours, x, weights)
            assert_close(y, expected.detach().numpy())
            params = jax.tree.map(lambda p, g: p - 0.1 * g, ours.parameters(), grads)
            ours = ours.update_parameters(params)
            state: Any = theirs.parametrizations.weight
            weight = state.original.detach().numpy().transpose(np.argsort(TWINS[twin][2]))
            assert_close(ours.layer.weight, jnp.asarray(weight))
            assert_close(ours.layer.bias, theirs.bias.detach().numpy())
            assert_close(ours.u["weight"], state[0]._u.numpy())
        found = jax.jit(lambda module, x: module(x))(ours.eval(), x)
        assert_close(found, theirs.eval()(torch.tensor(x)).detach().numpy())


@pytest.mark.parametrize("twin", [slow("linear"), "conv"])
def test_weight_standardization(twin: str) -> None:
    make, make_theirs, axes, shape = TWINS[twin]
    theirs = called(make_theirs())

    def reference(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        weight = p["layer.weight"].permute(axes)
        over = tuple(range(1, weight.ndim))
        variance, mean = torch.var_mean(weight, dim=over, keepdim=True, unbiased=False)
        weight = (weight - mean) / torch.sqrt(variance + 1e-10)
        return theirs({"weight": weight, "bias": p["layer.bias"]}, x)

    assert_like_torch(lambda: pax.WeightStandardization(make()), [normal(*shape)], reference)
