"""The policy that each layer asks for, and the programs that come of it."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import pytest

import pax
from tests.core.samples import normal

HALF, FULL = "mp_policy=FHH", "mp_policy=FFH"

#: Every layer that has a role, and what its text says then.
ROLES = {
    "Linear": (pax.Linear(3, 4), HALF),
    "Conv1D": (pax.Conv1D(3, 4, 3), HALF),
    "Conv2D": (pax.Conv2D(3, 4, 3), HALF),
    "Conv1DTranspose": (pax.Conv1DTranspose(3, 4, 3), HALF),
    "Conv2DTranspose": (pax.Conv2DTranspose(3, 4, 3), HALF),
    "BatchNorm1D": (pax.BatchNorm1D(3), FULL),
    "BatchNorm2D": (pax.BatchNorm2D(3), FULL),
    "LayerNorm": (pax.LayerNorm(3, -1, True, True), FULL),
    "GroupNorm": (pax.GroupNorm(1, 3), FULL),
}


def default(module: pax.Module) -> pax.Module:
    return module.apply(pax.experimental.default_mp_policy)


@pytest.mark.parametrize("name", ROLES)
def test_layers_with_a_role(name: str) -> None:
    module, note = ROLES[name]
    assert note in repr(default(module))


def test_all_other_layers_stay_as_they_are() -> None:
    others = [
        pax.Embed(5, 3), pax.Dropout(0.3), pax.Identity(), pax.Lambda(jax.nn.relu),
        pax.RngSeq(seed=1), pax.EMA(normal(2), 0.9), pax.Sequential(),
    ]  # fmt: skip
    for module in others:
        assert pax.experimental.default_mp_policy(module) is module
    cell = default(pax.LSTM(3, 4))
    assert "mp_policy" not in repr(cell)
    assert HALF in repr(cell.fc)


def test_a_class_of_the_users_own_declares_its_role() -> None:
    class Scale(pax.ParameterModule):
        precision_role = "half"

        def __init__(self):
            super().__init__()
            self.factor = normal(3)

        def __call__(self, x):
            return x * self.factor

    class Full(Scale):
        precision_role = "full"

    assert default(Scale())(normal(3)).dtype == jnp.bfloat16
    assert default(Full())._pax_mp_policy.compute_dtype == jnp.float32

    class Wrong(Scale):
        precision_role = "quarter"

    with pytest.raises(pax.ArgumentError) as raised:
        default(Wrong())
    assert str(raised.value) == (
        "Wrong has precision_role='quarter'; expected 'half', 'full' or None.\n"
        '  fix: write precision_role = "half" in the body of the class.'
    )


class Net(pax.Module):
    """Convolution, both kinds of normalisation, and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = pax.Conv1D(3, 8, 3)
        self.batch_norm = pax.BatchNorm1D(8)
        self.layer_norm = pax.LayerNorm(8, -1, True, True)
        self.hidden = pax.Linear(8, 8)
        self.output = pax.Linear(8, 5)

    def __call__(self, x):
        x = self.batch_norm(self.conv(x))
        x = self.hidden(self.layer_norm(jax.nn.relu(x)))
        return self.output(jax.nn.relu(x))


def step(net, x):
    def loss(net, x):
        net, y = pax.purecall(net, x)
        return jnp.mean(y.astype(jnp.float32) ** 2), net

    grads, net = pax.grad(loss, has_aux=True)(net, x)
    return net, grads


def dtypes(operation: str, text: str) -> list[tuple[str, ...]]:
    """Returns the dtypes of operands and results of each such operation in a program."""
    lines = re.findall(rf"stablehlo\.{operation}\b.* : (.*)$", text, re.MULTILINE)
    return [tuple(re.findall(r"tensor<(?:\d+x)*(\w+)>", line)) for line in lines]


def test_the_program_multiplies_in_half_and_normalises_in_full_precision() -> None:
    net = default(Net())
    text = jax.jit(step).lower(net, normal(2, 6, 3)).as_text()
    dense, conv = dtypes("dot_general", text), dtypes("convolution", text)
    assert len(dense) == 2 * 3  # forward, to the weight, to the input
    assert len(conv) == 2  # forward, to the weight; nothing asks for the gradient of the input
    assert set(dense + conv) == {("bf16",) * 3}
    assert dtypes("rsqrt", text) == [("f32",)] * 2

    batch_norm, x = net.batch_norm, normal(2, 6, 8).astype(jnp.bfloat16)
    text = jax.jit(pax.purecall).lower(batch_norm, x).as_text()
    sums = re.findall(r"applies stablehlo\.add across .* : \(tensor<(?:\d+x)*(\w+)>", text)
    assert len(sums) == 3  # the mean, what rounding left of it, the variance
    assert set(sums) == {"f32"}


def test_the_products_of_attention_take_half_precision() -> None:
    attention, x = default(pax.MultiHeadAttention(2, 4, 1.0)), normal(2, 5, 8)
    text = jax.jit(lambda m, x: m(x, x, x)).lower(attention, x).as_text()
    products = dtypes("dot_general", text)
    assert len(products) == 4 + 2
    assert {product[:2] for product in products} == {("bf16", "bf16")}


def test_parameters_state_and_gradients_stay_in_float32() -> None:
    net = default(Net())
    after, grads = jax.jit(step)(net, normal(2, 6, 3))
    for tree in (net.parameters(), after.parameters(), grads, after.batch_norm):
        assert {x.dtype for x in jax.tree.leaves(tree)} == {jnp.dtype(jnp.float32)}
    pax.assert_structure_equal(after, net)


def test_results_are_close_to_those_in_full_precision() -> None:
    net, x = Net(), normal(4, 6, 3)
    full = pax.purecall(net, x)[1]
    half = pax.purecall(default(net), x)[1].astype(jnp.float32)
    error = jnp.abs(half - full).max() / jnp.abs(full).max()
    assert 0 < error < 2.0**-5  # bfloat16 has 8 bits; a few of them are lost on the way


def test_twice_is_an_error() -> None:
    with pytest.raises(pax.ArgumentError, match="has a precision policy already"):
        default(default(pax.Linear(2, 3)))


@pytest.mark.parametrize("make", [pax.VanillaRNN, pax.GRU, pax.LSTM])
def test_recurrent_cells_keep_the_dtype_of_their_state(make) -> None:
    cell, xs = make(3, 4), normal(5, 2, 3)
    half = default(cell)
    with jax.numpy_dtype_promotion("standard"):  # the dense layers in the cell return bfloat16
        state, ys = jax.jit(lambda cell: pax.scan(cell, cell.initial_state(2), xs))(half)
    assert {x.dtype for x in (*state, ys)} == {jnp.dtype(jnp.float32)}
    expected = pax.scan(cell, cell.initial_state(2), xs)[1]
    assert 0 < jnp.abs(ys - expected).max() < 2.0**-5
