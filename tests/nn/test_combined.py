"""Layers made of layers: perceptrons, shortcuts, branches."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.contracts.case import paths
from tests.nn.bad import Bad, each
from tests.nn.run import called, trained

X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


def times(factor: float, size: int = 3) -> pax.Linear:
    """Returns a layer that multiplies."""
    return pax.Linear(size, size, False).replace(weight=factor * jnp.eye(size))


def test_a_perceptron_is_its_layers_with_the_activation_between_them() -> None:
    net = pax.MLP((3, 5, 6, 2), jnp.tanh)
    weights = [np.asarray(layer.weight) for layer in net.layers]
    by_hand = np.tanh(np.tanh(X @ weights[0]) @ weights[1]) @ weights[2]  # biases start at zero
    np.testing.assert_allclose(called(net, X), by_hand, rtol=1e-5, atol=1e-6)
    assert [layer.weight.shape for layer in net.layers] == [(3, 5), (5, 6), (6, 2)]
    assert net.activation.func is jnp.tanh


def test_two_sizes_are_one_layer_without_activation() -> None:
    net = pax.MLP([3, 2], jax.nn.relu)
    np.testing.assert_array_equal(net(X), net.layers[0](X))


def test_hidden_layers_end_in_relu_by_default() -> None:
    np.testing.assert_array_equal(pax.MLP((1, 1, 1)).activation(jnp.array([-1.0, 2.0])), [0, 2])


def test_a_key_gives_each_layer_its_own() -> None:
    first, again = (pax.MLP((3, 3, 3), rng_key=jax.random.key(1)) for _ in range(2))
    np.testing.assert_array_equal(first.layers[1].weight, again.layers[1].weight)
    assert (first.layers[0].weight != first.layers[1].weight).any()


def test_an_activation_with_state_goes_on_from_layer_to_layer() -> None:
    net = pax.MLP((3, 3, 3, 3), pax.Sequential(jax.nn.relu, pax.Dropout(0.5)))
    key = net.activation[1].rng_key
    after, _ = trained(net, X)
    for _ in range(2):
        key, _ = jax.random.split(key)
    np.testing.assert_array_equal(after.activation[1].rng_key, key)


def test_residual() -> None:
    np.testing.assert_allclose(pax.Residual(times(2))(X), 3 * X, rtol=1e-6)
    np.testing.assert_allclose(pax.Residual(times(2), times(5))(X), 7 * X, rtol=1e-6)
    np.testing.assert_allclose(pax.Residual(jnp.square, jnp.abs)(X), X**2 + abs(X), rtol=1e-6)


def test_the_sum_has_the_dtype_of_the_shortcut() -> None:
    half = pax.Residual(lambda x: x.astype(jnp.bfloat16))(X)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, 2 * X, rtol=0.01)
    assert pax.Residual(lambda x: x, lambda x: x.astype(jnp.float16))(X).dtype == jnp.float16
    whole = pax.Residual(lambda x: 2 * x)(np.array([1, 2]))
    np.testing.assert_array_equal(whole, [3, 6])


def test_parallel_returns_what_each_returns() -> None:
    first, second = pax.Parallel(times(2), lambda x: x[0])(X)
    np.testing.assert_allclose(first, 2 * X, rtol=1e-6)
    np.testing.assert_array_equal(second, X[0])
    assert pax.Parallel()(X) == ()


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_concatenate(axis: int) -> None:
    y = pax.Concatenate(pax.Identity(), times(2), jnp.square, axis=axis)(X)
    np.testing.assert_allclose(y, np.concatenate([X, 2 * X, X**2], axis), rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (2, 0, 3)], ids=str)
def test_edge_shapes(shape: tuple[int, ...]) -> None:
    x = jnp.zeros(shape)
    assert pax.MLP((3, 4, 2))(x).shape == (*shape[:-1], 2)
    assert pax.Residual(times(1))(x).shape == shape
    assert pax.Concatenate(times(1), times(1), axis=0)(x).shape == (2 * shape[0], *shape[1:])


def test_one_branch_may_be_deep_and_state_is_kept_apart() -> None:
    norms = [pax.Sequential(pax.BatchNorm1D(3), pax.Dropout(0.5)) for _ in range(3)]
    net = pax.Residual(pax.Concatenate(norms[0]), pax.Sequential(*norms[1:]), name="deep")
    x = np.random.default_rng(0).standard_normal((8, 4, 3)).astype(np.float32)
    after, _ = trained(net, x)
    leaves = zip(paths(net), jax.tree.leaves(net), jax.tree.leaves(after), strict=True)
    changed = {path for path, old, new in leaves if not np.array_equal(old, new)}
    assert {path for path in paths(net) if "ema" in path or "key" in path} == changed
    assert "module.modules.0.modules.1.rng_key" in changed
    assert "shortcut.modules.1.modules.0.ema_mean.averages" in changed
    quiet = after.eval()
    np.testing.assert_array_equal(called(quiet, x), called(quiet, x))


def test_printed_forms() -> None:
    assert repr(pax.MLP((3, 4, 2), name="head")) == "(head) MLP(dims=(3, 4, 2))"
    assert pax.Concatenate(jax.nn.relu, pax.Residual(times(1))).summary() == (
        "Concatenate(axis=-1)\n"
        "├── x => relu(x)\n"
        "└── Residual\n"
        "    └── Linear(in_dim=3, out_dim=3, with_bias=False)"
    )


def dims(value: Any) -> Bad:
    """Returns sizes that are refused."""
    return Bad(
        lambda: pax.MLP(value),
        pax.ArgumentError,
        f"MLP got dims={value!r}; expected two or more positive integers.",
        "give the sizes from the input to the output: pax.MLP((784, 256, 10)).",
    )


@each(
    *map(dims, [3, (3,), (), (3, 0), (3, -1), (3, 2.0), (3, True), "32", None]),
    Bad(
        lambda: pax.MLP((3, 2), "relu"),
        pax.ArgumentError,
        "MLP got a value of type str as activation, which cannot be called.",
        "pass a function or a module: activation=jax.nn.gelu.",
    ),
    Bad(
        lambda: pax.MLP((3, 2), pax.Dropout),
        pax.ArgumentError,
        "MLP got the class Dropout as activation; expected a module.",
        "build it: Dropout(...).",
    ),
    Bad(
        lambda: pax.Residual(3),
        pax.ArgumentError,
        "Residual got a value of type int as module, which cannot be called.",
        "pass modules or functions: pax.Residual(pax.Linear(3, 4), shortcut=pax.Linear(3, 4)).",
    ),
    Bad(
        lambda: pax.Residual(times(1), pax.Identity),
        pax.ArgumentError,
        "Residual got the class Identity as shortcut; expected a module.",
        "build it: Identity(...).",
    ),
    Bad(
        lambda: pax.Residual(pax.Linear(3, 2)),
        pax.ShapeError,
        "Residual got input of shape (4, 3) and an output of module of shape (4, 2); expected "
        "equal shapes.",
        "give a shortcut that changes the shape of the input as the module does: "
        "shortcut=pax.Linear(in_dim, out_dim).",
        (X,),
    ),
    Bad(
        lambda: pax.Residual(times(1), jnp.sum),
        pax.ShapeError,
        "Residual got an output of shortcut of shape () and an output of module of shape (4, 3); "
        "expected equal shapes.",
        "give a shortcut that changes the shape of the input as the module does: "
        "shortcut=pax.Linear(in_dim, out_dim).",
        (X,),
    ),
    Bad(
        lambda: pax.Residual(pax.Parallel(times(1))),
        pax.DtypeError,
        "Residual got an output of module of type tuple; expected an array.",
        "convert it first: jnp.asarray(x).",
        (X,),
    ),
    Bad(
        lambda: pax.Parallel(times(1), 3),
        pax.ArgumentError,
        "Parallel got a value of type int as module 1, which cannot be called.",
        "pass modules and functions: pax.Parallel(pax.Linear(2, 3), jax.nn.relu); spread a list "
        "with *modules.",
    ),
    Bad(
        lambda: pax.Concatenate(),
        pax.ArgumentError,
        "Concatenate got no modules; expected one or more.",
        "pass what to call: pax.Concatenate(pax.Identity(), pax.Linear(2, 3)).",
    ),
    Bad(
        lambda: pax.Concatenate(times(1), axis="channels"),
        pax.ArgumentError,
        "Concatenate got axis='channels'; expected an integer.",
        "write axis=1.",
    ),
    Bad(
        lambda: pax.Concatenate(times(1), lambda x: x[1:], axis=1),
        pax.ShapeError,
        "Concatenate(axis=1) got outputs of shapes (4, 3), (3, 3), which cannot be joined along "
        "axis 1.",
        "let all modules return the same shape but for that axis, or join along another with "
        "axis=...",
        (X,),
    ),
    Bad(
        lambda: pax.Concatenate(times(1), axis=2),
        pax.ShapeError,
        "Concatenate(axis=2) got outputs of shapes (4, 3), which cannot be joined along axis 2.",
        "let all modules return the same shape but for that axis, or join along another with "
        "axis=...",
        (X,),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
