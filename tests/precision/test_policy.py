"""Policies: what they say, and what they do to a tree."""

from __future__ import annotations

import pickle

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import pax
from tests.core.samples import normal

MIXED = pax.Policy(jnp.float32, jnp.bfloat16, jnp.float16)


def test_dtypes_are_numpys_own() -> None:
    policy = pax.Policy("float32", np.float16, ml_dtypes.bfloat16)
    assert policy.param_dtype == np.dtype(np.float32)
    assert policy.compute_dtype == np.dtype(np.float16)
    assert policy.output_dtype == np.dtype(ml_dtypes.bfloat16)
    assert policy == pax.Policy(jnp.float32, jnp.float16, jnp.bfloat16)
    assert hash(policy) == hash(pax.Policy(jnp.float32, jnp.float16, jnp.bfloat16))
    assert pickle.loads(pickle.dumps(policy)) == policy


@pytest.mark.parametrize(
    ("text", "dtypes"),
    [
        ("params=float32,compute=bfloat16,output=float32", ("float32", "bfloat16", "float32")),
        (" output = float16, params=float64 ,compute=float32", ("float64", "float32", "float16")),
        ("bfloat16", ("bfloat16", "bfloat16", "bfloat16")),
        ("mixed_bfloat16", ("float32", "bfloat16", "float32")),
        ("mixed_float16", ("float32", "float16", "float32")),
    ],
)
def test_parse(text: str, dtypes: tuple[str, str, str]) -> None:
    policy = pax.Policy.parse(text)
    assert policy == pax.Policy(*dtypes)
    assert pax.Policy.parse(str(policy)) == policy


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("params=float32", "'params=float32': it does not say compute, output"),
        ("p=float32,compute=float32", "'p=float32,compute=float32': 'p' is not params, compute or"
         " output"),
        ("params=float32,params=float16", "'params=float32,params=float16': 'params' is twice"),
        ("params=fp32,compute=float16,output=float32", "'params=fp32,compute=float16,"
         "output=float32': 'fp32' is no dtype"),
        ("fp16", "'fp16': 'fp16' is no dtype"),
        ("", "'': '' is no dtype"),
        (None, "None: expected a text"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchecked")
def test_what_parse_does_not_understand(text: str, problem: str) -> None:
    with pytest.raises(pax.ArgumentError) as raised:
        pax.Policy.parse(text)
    assert str(raised.value) == (
        f"Policy.parse got {problem}.\n"
        '  fix: write Policy.parse("params=float32,compute=bfloat16,output=float32"), or a preset: '
        "mixed_bfloat16, mixed_float16."
    )


@pytest.mark.parametrize("value", [jnp.int32, None, "nonsense", jnp.complex64])
@pytest.mark.usefixtures("unchecked")
def test_a_dtype_must_be_floating(value: object) -> None:
    with pytest.raises(pax.ArgumentError) as raised:
        pax.Policy(jnp.float32, value, jnp.float32)
    assert str(raised.value) == (
        f"Policy got compute_dtype={value!r}; expected a floating dtype.\n"
        "  fix: write compute_dtype=jnp.bfloat16."
    )


@pytest.mark.parametrize(
    ("cast", "dtype"),
    [("param", jnp.float32), ("compute", jnp.bfloat16), ("output", jnp.float16)],
)
def test_casts(cast: str, dtype: type) -> None:
    tree = {
        "floats": [normal(3), np.ones(2, np.float64), np.float32(0.3)],
        "half": (normal(2).astype(jnp.bfloat16),),
        "abstract": jax.ShapeDtypeStruct((2, 3), jnp.float32),
        "module": pax.Linear(2, 3),
    }
    rest = [jnp.arange(3), jax.random.key(0), np.array([True]), 2.5, None, "text"]
    out, kept = getattr(MIXED, f"cast_to_{cast}")((tree, rest))
    leaves = jax.tree.leaves(out)
    assert len(leaves) == 7
    assert {x.dtype for x in leaves} == {jnp.dtype(dtype)}
    assert all(a is b for a, b in zip(kept, rest, strict=True))
    np.testing.assert_array_equal(out["floats"][0], tree["floats"][0].astype(dtype))
    assert out["abstract"].shape == (2, 3)


def test_what_has_the_dtype_is_not_copied() -> None:
    x = normal(3)
    assert MIXED.cast_to_param([x])[0] is x
