"""Rows of a table, looked up by integer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import DtypeError, ShapeError
from pax.functional import embed
from tests.functional.messages import message

TABLE = jnp.asarray(np.random.default_rng(0).standard_normal((300, 4)), jnp.float32)


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3, 1)])
def test_rows(shape: tuple[int, ...]) -> None:
    ids = np.random.default_rng(1).integers(0, 300, shape)
    np.testing.assert_array_equal(embed(jnp.asarray(ids), TABLE), np.asarray(TABLE)[ids])


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int16, jnp.uint32])
def test_narrow_ids_reach_what_they_can(dtype: jnp.dtype) -> None:
    last = min(jnp.iinfo(dtype).max, 299)
    rows = embed(jnp.array([last, 0], dtype), TABLE)
    np.testing.assert_array_equal(rows, np.asarray(TABLE)[[last, 0]])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_dtype_is_that_of_the_table(dtype: jnp.dtype) -> None:
    assert embed(jnp.array([3]), TABLE.astype(dtype)).dtype == dtype


def test_unknown_ids_show_and_have_no_gradient() -> None:
    ids = jnp.array([-1, 300, 7, 7])
    rows = embed(ids, TABLE)
    assert jnp.isnan(rows[:2]).all()
    np.testing.assert_array_equal(rows[2:], TABLE[jnp.array([7, 7])])
    gradient = jax.grad(lambda table: embed(ids, table).sum())(TABLE)
    expected = np.zeros(TABLE.shape)
    expected[7] = 2.0
    np.testing.assert_array_equal(gradient, expected)


def test_errors() -> None:
    assert message(DtypeError, lambda: embed(jnp.array([1.0]), TABLE)) == (
        "embed got ids of dtype float32; expected integers.\n"
        "  fix: pass the integer ids themselves, e.g. ids.astype(jnp.int32), not one-hot rows."
    )
    assert message(ShapeError, lambda: embed(jnp.array([1]), TABLE[0])) == (
        "embed got weight of shape (4,); expected [vocab_size, embed_dim].\n"
        "  fix: store the table with one row for each id."
    )
