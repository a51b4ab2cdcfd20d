"""What cannot be right is refused with the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax.initializers as init

KEY = jax.random.key(0)

CASES: dict[str, tuple[Callable[[], object], str]] = {
    "negative stddev": (
        lambda: init.normal(-1.0),
        "normal got stddev=-1.0; expected a finite number, 0 or more.\n"
        "  fix: write normal(stddev=0.02), for example.",
    ),
    "not finite": (
        lambda: init.uniform(float("nan")),
        "uniform got scale=nan; expected a finite number.\n"
        "  fix: write uniform(scale=0.02), for example.",
    ),
    "an array for a number": (
        lambda: init.orthogonal(np.array([1.0, 2.0])),
        "orthogonal got scale=array([1., 2.]); expected a finite number.\n"
        "  fix: write orthogonal(scale=0.02), for example.",
    ),
    "bounds": (
        lambda: init.truncated_normal(lower=2, upper=-2),
        "truncated_normal got lower=2 and upper=-2; expected lower < upper.\n"
        "  fix: the bounds count in standard deviations: lower=-2.0, upper=2.0.",
    ),
    "mode": (
        lambda: init.variance_scaling(1.0, "fan", "normal"),
        "variance_scaling got mode='fan'; expected one of fan_in, fan_out, fan_avg, fan_geo_avg."
        "\n  fix: write mode='fan_in', for example.",
    ),
    "distribution": (
        lambda: init.variance_scaling(1.0, "fan_in", "gauss"),
        "variance_scaling got distribution='gauss'; expected one of truncated_normal, normal, "
        "uniform.\n  fix: write distribution='truncated_normal', for example.",
    ),
    "negative scale": (
        lambda: init.variance_scaling(-1, "fan_in", "normal"),
        "variance_scaling got scale=-1; expected a finite number, 0 or more.\n"
        "  fix: write variance_scaling(scale=0.02), for example.",
    ),
    "kaiming mode": (
        lambda: init.kaiming_uniform(mode="fan_avg"),
        "kaiming_uniform got mode='fan_avg'; expected one of fan_in, fan_out."
        "\n  fix: write mode='fan_in', for example.",
    ),
    "slope": (
        lambda: init.kaiming_normal(a=float("inf")),
        "kaiming_normal got a=inf; expected a finite number.\n"
        "  fix: write kaiming_normal(a=0.02), for example.",
    ),
    "an empty interval": (
        lambda: init.uniform_between(0.1, 0.1),
        "uniform_between got lower=0.1 and upper=0.1; expected lower < upper.\n"
        "  fix: write uniform_between(-0.1, 0.1), for example.",
    ),
    "identity kernel": (
        lambda: init.identity()(None, (3, 4, 4)),
        "identity() got shape (3, 4, 4); expected two axes, (inputs, outputs).\n"
        "  fix: for the kernel of a convolution use pax.initializers.dirac().",
    ),
    "dirac matrix": (
        lambda: init.dirac(2.0)(None, (4, 4)),
        "dirac(scale=2.0) got shape (4, 4); expected (spatial ..., inputs, outputs) with one "
        "spatial axis or more.\n  fix: for a matrix use pax.initializers.identity().",
    ),
    "dirac groups": (
        lambda: init.dirac(feature_group_count=2)(None, (3, 4, 5)),
        "dirac(feature_group_count=2) got shape (3, 4, 5), whose 5 outputs do not divide into "
        "2 groups.\n  fix: give the feature_group_count of the convolution; its outputs are a "
        "multiple.",
    ),
    "no groups": (
        lambda: init.dirac(feature_group_count=0),
        "dirac got feature_group_count=0; expected an integer of at least 1.\n"
        "  fix: set feature_group_count to a positive integer.",
    ),
    "all zeros": (
        lambda: init.sparse(1.0),
        "sparse got sparsity=1.0; expected a number in [0, 1).\n"
        "  fix: give the share of zeros: write sparse(sparsity=0.9), for example.",
    ),
    "sparse kernel": (
        lambda: init.sparse(0.5)(KEY, (3, 4, 4)),
        "sparse(sparsity=0.5) got shape (3, 4, 4); expected two axes, (inputs, outputs).\n"
        "  fix: draw other shapes with pax.initializers.normal(), and multiply by a mask.",
    ),
    "no key": (
        lambda: init.normal()(None, (2, 3)),
        "normal(stddev=0.01) got a key of type NoneType; expected a random key.\n"
        "  fix: pass pax.next_rng_key() or jax.random.key(0).",
    ),
    "a seed for a key": (
        lambda: init.lecun_normal()(0, (2, 3)),
        "variance_scaling(scale=1.0, mode='fan_in', distribution='truncated_normal') got a key "
        "of type int; expected a random key.\n"
        "  fix: pass pax.next_rng_key() or jax.random.key(0).",
    ),
    "negative size": (
        lambda: init.normal(0.5)(KEY, (2, -3)),
        "normal(stddev=0.5) got shape (2, -3); expected a tuple of integers, none negative.\n"
        "  fix: write (128, 64), or (64,) for a single axis.",
    ),
    "a number for a shape": (
        lambda: init.zeros(KEY, 3),
        "zeros got shape 3; expected a tuple of integers, none negative.\n"
        "  fix: write (128, 64), or (64,) for a single axis.",
    ),
    "a size that is no integer": (
        lambda: init.constant(1.0)(KEY, (2.5,)),
        "constant(value=1.0) got shape (2.5,); expected a tuple of integers, none negative.\n"
        "  fix: write (128, 64), or (64,) for a single axis.",
    ),
    "value that does not broadcast": (
        lambda: init.constant(np.arange(3))(KEY, (2, 4)),
        "constant got shape (2, 4) for a value of shape (3,); expected a shape that the value "
        "broadcasts to.\n  fix: ask for shape (3,), or give one number.",
    ),
    "a vector has no fan": (
        lambda: init.he_normal()(KEY, (5,)),
        "variance_scaling(scale=2.0, mode='fan_in', distribution='truncated_normal') got shape "
        "(5,), which has no axis -2 to count inputs, outputs or independent layers on.\n"
        "  fix: a weight needs two axes or more; for others name them: in_axis=0, out_axis=0.",
    ),
    "orthogonal vector": (
        lambda: init.orthogonal()(KEY, (5,)),
        "orthogonal(scale=1.0) got shape (5,); expected two axes or more.\n"
        "  fix: draw vectors with another initializer, such as pax.initializers.normal().",
    ),
    "delta orthogonal": (
        lambda: init.delta_orthogonal()(KEY, (3, 8, 4)),
        "delta_orthogonal(scale=1.0) got shape (3, 8, 4); expected (spatial ..., inputs, outputs) "
        "with one to three spatial axes and inputs <= outputs.\n"
        "  fix: use pax.initializers.orthogonal() for any other shape.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_arguments(name: str) -> None:
    call, text = CASES[name]
    with pytest.raises(pax.ArgumentError) as error:
        call()
    assert str(error.value) == text


def test_integers_are_not_drawn() -> None:
    with pytest.raises(pax.DtypeError) as error:
        init.normal()(KEY, (2, 3), jnp.int32)
    assert str(error.value) == (
        "normal(stddev=0.01) got dtype int32; expected a floating or complex one.\n"
        "  fix: draw in float32, then call .astype on the result."
    )


@pytest.mark.parametrize(
    "law", [init.uniform(), init.uniform_between(-1.0, 1.0), init.truncated_normal()]
)
def test_real_laws_draw_no_complex_numbers(law: Any) -> None:
    with pytest.raises(pax.DtypeError) as error:
        law(KEY, (2, 3), jnp.complex64)
    assert str(error.value) == (
        f"{law} got dtype complex64; expected a floating one.\n"
        "  fix: draw in float32, then call .astype on the result."
    )


def test_one_key_at_a_time() -> None:
    with pytest.raises(ValueError, match="accepts a single key"):
        init.normal()(jax.random.split(KEY, 3), (2, 3))


def test_errors_are_the_same_under_a_trace() -> None:
    with pytest.raises(pax.ArgumentError, match="has no axis -2"):
        jax.eval_shape(lambda key: init.he_normal()(key, (5,)), KEY)
