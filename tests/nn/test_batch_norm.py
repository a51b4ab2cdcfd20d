"""Batch normalisation: running averages by hand, shapes, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, Nested, each
from tests.nn.run import called, trained

FORMATS = {
    "NWC": (pax.BatchNorm1D, (1, 1, 3)),
    "NCW": (pax.BatchNorm1D, (1, 3, 1)),
    "NHWC": (pax.BatchNorm2D, (1, 1, 1, 3)),
    "NCHW": (pax.BatchNorm2D, (1, 3, 1, 1)),
    "NDHWC": (pax.BatchNorm3D, (1, 1, 1, 1, 3)),
    "NCDHW": (pax.BatchNorm3D, (1, 3, 1, 1, 1)),
}


def batch(*values: float) -> np.ndarray:
    """Returns a batch of one channel."""
    return np.array(values, np.float32).reshape(-1, 1, 1)


@pytest.mark.parametrize("data_format", FORMATS)
def test_shapes_of_the_arrays(data_format: str) -> None:
    layer, shape = FORMATS[data_format]
    norm = layer(3, data_format=data_format)
    averages = [norm.ema_mean.averages, norm.ema_var.averages]
    assert [x.shape for x in (norm.scale, norm.offset, *averages)] == [shape] * 4
    np.testing.assert_array_equal([x.ravel()[0] for x in averages], [0.0, 1.0])
    assert [repr(m) for m in norm.submodules()] == ["EMA(decay_rate=0.9, debias=True)"] * 2


def test_one_batch_by_hand() -> None:
    norm = pax.BatchNorm1D(1, eps=7.0).replace(
        scale=jnp.full((1, 1, 1), 2.0), offset=jnp.full((1, 1, 1), 0.5)
    )
    # mean 3, variance 9, and sqrt(9 + 7) = 4: -3 / 4 * 2 + 0.5
    _, y = trained(norm, batch(0.0, 6.0, 0.0, 6.0))
    np.testing.assert_allclose(y.ravel(), [-1.0, 2.0, -1.0, 2.0], rtol=1e-6)


def test_running_averages_by_hand() -> None:
    norm = pax.BatchNorm1D(1, decay_rate=0.75)
    found = []
    for x in (batch(0.0, 6.0), batch(1.0, 1.0, 7.0, 7.0), batch(-5.0)):
        norm, _ = trained(norm, x)
        found.append([norm.ema_mean.averages.item(), norm.ema_var.averages.item()])
    # means 3, 4, -5 and mean squared deviations 9, 9, 0: the first replaces 0 and 1
    np.testing.assert_array_equal(found, [[3, 9], [3.25, 9], [1.1875, 6.75]])


def test_evaluation_by_hand() -> None:
    norm, _ = trained(pax.BatchNorm1D(1, eps=7.0), batch(0.0, 6.0))
    y = called(norm.eval(), batch(3.0, 11.0))  # outside `pax.pure`, for nothing changes
    np.testing.assert_allclose(y.ravel(), [0.0, 2.0], rtol=1e-6)


def test_evaluation_before_training_uses_the_initial_averages() -> None:
    y = called(pax.BatchNorm1D(1, eps=3.0).eval(), batch(1.0, -4.0))
    np.testing.assert_allclose(y.ravel(), [0.5, -2.0], rtol=1e-6)


def test_evaluation_of_one_example_equals_that_of_many() -> None:
    x = np.random.default_rng(0).standard_normal((4, 5, 2)).astype(np.float32)
    norm = trained(pax.BatchNorm1D(2), x)[0].eval()
    np.testing.assert_array_equal(called(norm, x[:1]), called(norm, x)[:1])
    assert called(norm, x[:0]).shape == (0, 5, 2)


def test_parameters_are_scale_and_offset() -> None:
    norm = pax.BatchNorm2D(3)
    shapes = [x.shape for x in jax.tree.leaves(norm.parameters())]
    assert shapes == [(1, 1, 1, 3)] * 2
    bare = pax.BatchNorm2D(3, False, False)
    assert (bare.scale, bare.offset) == (None, None)
    assert jax.tree.leaves(bare.parameters()) == []


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_the_averages_stay_in_float32(dtype: Any) -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 2, 3)), dtype)
    norm, y = trained(pax.BatchNorm1D(3), x)
    assert y.dtype == dtype
    assert norm.ema_mean.averages.dtype == norm.ema_var.averages.dtype == jnp.float32
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(norm.ema_var.averages.ravel(), exact.var((0, 1)), rtol=1e-5)


def test_a_large_mean_costs_no_digits() -> None:
    x = 1e4 + np.random.default_rng(0).standard_normal((64, 8, 2)).astype(np.float32)
    norm, y = trained(pax.BatchNorm1D(2, eps=1e-8), x)
    exact = x.astype(np.float64)
    expected = (exact - exact.mean((0, 1))) / exact.std((0, 1))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(norm.ema_var.averages.ravel(), exact.var((0, 1)), rtol=1e-5)


def test_a_training_call_outside_pure_is_refused() -> None:
    with pytest.raises(pax.PurityError, match=r"outside `pax\.pure`") as raised:
        Nested(pax.BatchNorm1D(1))(batch(1.0, 2.0))
    assert raised.value.path == "model.blocks.0.layer.ema_mean"
    assert "pax.purecall" in raised.value.fix


def test_printed_form_hides_the_averages() -> None:
    norm = pax.BatchNorm2D(3, False, True, 0.5, data_format="NCHW", name="bn")
    assert norm.summary() == (
        "(bn) BatchNorm2D(num_channels=3, create_scale=False, create_offset=True, "
        "decay_rate=0.5, data_format=NCHW)"
    )


BN1D = (
    "BatchNorm1D(num_channels=3, create_scale=True, create_offset=True, decay_rate=0.9, "
    "data_format=NWC)"
)
BN2D = BN1D.replace("1D", "2D").replace("NWC", "NCHW")


def bn2d() -> pax.Module:
    """Returns a layer for images with channels first."""
    return pax.BatchNorm2D(3, data_format="NCHW")


def argument(name: str, value: Any, expected: str, fix: str) -> Bad:
    """Returns an argument that is refused."""
    return Bad(
        lambda: pax.BatchNorm1D(**({"num_channels": 3} | {name: value})),
        pax.ArgumentError,
        f"BatchNorm1D got {name}={value!r}; expected {expected}.",
        fix,
    )


POSITIVE = "set num_channels to a positive integer."
RATE = ("a number in [0, 1)", "write decay_rate=0.9.")
EPS = ("a positive number", "set eps to a positive number.")


@each(
    argument("num_channels", 0, "an integer of at least 1", POSITIVE),
    argument("num_channels", -3, "an integer of at least 1", POSITIVE),
    argument("num_channels", 3.0, "an integer of at least 1", POSITIVE),
    argument("decay_rate", 1.0, *RATE),
    argument("decay_rate", -0.5, *RATE),
    argument("decay_rate", None, *RATE),
    argument("eps", 0.0, *EPS),
    argument("eps", float("inf"), *EPS),
    argument("eps", "1e-5", *EPS),
    argument("data_format", "NHWC", "one of 'NWC', 'NCW'", "write data_format='NWC'."),
    Bad(
        lambda: pax.BatchNorm3D(3),
        pax.ShapeError,
        "BatchNorm3D(num_channels=3, create_scale=True, create_offset=True, decay_rate=0.9, "
        "data_format=NDHWC) got input of shape (4, 5, 5, 3); expected NDHWC, (N, D, H, W, 3).",
        "add the batch axis with x[None].",
        (np.zeros((4, 5, 5, 3), np.float32),),
    ),
    Bad(
        lambda: pax.BatchNorm2D(3, "ones"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "BatchNorm2D got create_scale of type str; expected True or False.",
        "write create_scale=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.BatchNorm1D(3, True, "NCW"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "BatchNorm1D got create_offset of type str; expected True or False.",
        "write create_offset=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.BatchNorm1D(3),
        pax.DtypeError,
        f"{BN1D} got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        (np.zeros((2, 5, 3), np.int32),),
    ),
    Bad(
        lambda: pax.BatchNorm1D(3).eval(),
        pax.DtypeError,
        f"{BN1D} got input of type list; expected an array.",
        "convert it first: jnp.asarray(x).",
        ([1.0],),
    ),
    Bad(
        lambda: pax.BatchNorm1D(3),
        pax.ShapeError,
        f"{BN1D} got input of shape (5, 3); expected NWC, (N, W, 3).",
        "add the batch axis with x[None].",
        (np.zeros((5, 3), np.float32),),
    ),
    Bad(
        bn2d,
        pax.ShapeError,
        f"{BN2D} got input of shape (2, 5, 5, 3): 5 channels in NCHW; expected 3.",
        "build the layer with num_channels=5, or with the data_format of the input.",
        (np.zeros((2, 5, 5, 3), np.float32),),
    ),
    Bad(
        bn2d,
        pax.ShapeError,
        f"{BN2D} got input of shape (0, 3, 5, 5) in training mode; an empty batch has no mean.",
        "leave empty batches out, or use `module.eval()`.",
        (np.zeros((0, 3, 5, 5), np.float32),),
    ),
    Bad(
        bn2d,
        pax.ShapeError,
        f"{BN2D} got input of shape (2, 3, 0, 5), which has a spatial axis of size 0.",
        "give it an input that is not empty; only the batch may be.",
        (np.zeros((2, 3, 0, 5), np.float32),),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
