"""Resizing: numbers by hand, dtypes, special numbers, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import resize
from tests.functional.messages import message

ROW = jnp.array([1.0, 5.0, 3.0]).reshape(1, 3, 1)


def flat(y: jax.Array) -> list[float]:
    return y.ravel().tolist()


def test_by_hand() -> None:
    assert flat(resize(ROW, 6)) == [1, 1, 5, 5, 3, 3]
    assert flat(resize(ROW, 2)) == [1, 5]
    assert flat(resize(ROW, 2, "nearest-exact")) == [1, 3]
    assert flat(resize(ROW, 6, "linear")) == [1, 2, 4, 4.5, 3.5, 3]
    assert flat(resize(ROW, 5, "linear", align_corners=True)) == [1, 3, 5, 4, 3]
    assert flat(resize(ROW, 1, "linear", align_corners=True)) == [1]
    assert flat(resize(ROW, 1, "linear")) == [5]
    # halfway between two entries Keys' weights are a/8, 1/2 - a/8, for a = -3/4
    x = jnp.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)
    found = flat(resize(x, 7, "cubic", align_corners=True))
    np.testing.assert_allclose(found[3], (-3 * 1 + 19 * 2 + 19 * 4 - 3 * 8) / 32, rtol=1e-6)
    np.testing.assert_allclose(found[::2], [1, 2, 4, 8], rtol=1e-6)
    # a triangle three entries wide on either side: 1/9, 2/9, 3/9, 2/9, 1/9
    x = jnp.arange(9.0).reshape(1, 9, 1) ** 2
    smooth = flat(resize(x, 3, "linear", antialias=True))
    np.testing.assert_allclose(smooth[1], np.dot([1, 2, 3, 2, 1], [4, 9, 16, 25, 36]) / 9)


def test_axes() -> None:
    x = jnp.arange(6.0).reshape(1, 2, 3, 1)
    y = resize(x, (4, 3))
    np.testing.assert_array_equal(y[0, :, :, 0], jnp.repeat(x[0, :, :, 0], 2, 0))
    np.testing.assert_array_equal(resize(x, (2, 3), "cubic"), x)
    z = resize(x.reshape(1, 1, 2, 3), (4, 3), data_format="NC...")
    np.testing.assert_array_equal(z[0, 0], y[0, :, :, 0])
    assert resize(x[:0], 5, "linear").shape == (0, 5, 5, 1)
    assert resize(x[..., :0], 5).shape == (1, 5, 5, 0)


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
def test_special_numbers_stay_where_they_are(method: str) -> None:
    x = jnp.array([np.inf, 1.0, 2.0, 3.0, 4.0, np.nan]).reshape(1, 6, 1)
    y = resize(x, 12, method).ravel()
    assert np.isfinite(y[5:7]).all()
    assert not np.isfinite(y[0])
    assert np.isnan(y[-1])


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.bool_, jnp.int32])
def test_entries_of_any_dtype_are_taken(dtype: Any) -> None:
    x = jnp.array([0, 1, 1]).reshape(1, 3, 1).astype(dtype)
    y = resize(x, 4, "nearest-exact")
    assert y.dtype == dtype
    assert flat(y) == flat(x[:, jnp.array([0, 1, 1, 2])])


def test_half_precision_is_rounded_once() -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 5, 6, 2)), jnp.bfloat16)
    exact = resize(x.astype(jnp.float32), (9, 3), "cubic")
    found = resize(x, (9, 3), "cubic")
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found, exact.astype(jnp.bfloat16))


def test_errors(unchecked: None) -> None:
    for method, fix in [("bilinear", "linear"), ("bicubic", "cubic"), ("area", "nearest")]:
        assert message(ArgumentError, lambda method=method: resize(ROW, 2, method)) == (
            f"resize got method='{method}'; expected one of 'nearest', 'nearest-exact', 'linear', "
            f"'cubic'.\n  fix: write method='{fix}'; the name is the same for any number of axes."
        )
    for name in ("align_corners", "antialias"):
        assert message(ArgumentError, lambda name=name: resize(ROW, 2, **{name: True})) == (
            f"resize got {name}=True with method='nearest', which interpolates nothing.\n"
            f"  fix: leave {name} out, or write method='linear'."
        )
    both: dict[str, Any] = {"align_corners": True, "antialias": True}
    assert message(ArgumentError, lambda: resize(ROW, 2, "linear", **both)) == (
        "resize got align_corners=True with antialias=True; its filters are centred on places "
        "that align_corners moves.\n  fix: leave one of the two out."
    )
    for size in (0, (2, 2), 1.5, True):
        assert message(ArgumentError, lambda size=size: resize(ROW, size)) == (
            f"resize got size={size!r}; expected a positive integer or 1 of them, one for each "
            "spatial axis.\n  fix: write size=(2,), with numbers of your own."
        )
    assert message(ShapeError, lambda: resize(ROW[0], 2)) == (
        "resize got x of shape (3, 1); expected [B, ..., C] with one spatial axis or more.\n"
        "  fix: add the axes that are missing, as with x[None] for the batch."
    )
    assert message(ShapeError, lambda: resize(ROW[:, :0], 2)) == (
        "resize got x of shape (1, 0, 1), which has a spatial axis of size 0.\n"
        "  fix: give it an input that is not empty; only the batch may be."
    )
    assert message(DtypeError, lambda: resize(ROW.astype(int), 2, "linear")) == (
        "resize got x of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. x.astype(jnp.float32)."
    )
    assert message(ArgumentError, lambda: resize(ROW, 2, data_format="NWC")) == (
        "resize got data_format='NWC'; expected one of 'N...C', 'NC...'.\n"
        "  fix: write data_format='N...C'."
    )
