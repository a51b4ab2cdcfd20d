"""Moving averages: numbers by hand, debiasing, integers, trees, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, Nested, each


def follow(ema: pax.EMA, *xs: Any) -> tuple[pax.EMA, list[Any]]:
    """Returns the module after these updates, and all averages on the way."""
    averages = []
    for x in xs:
        ema, average = pax.purecall(ema, x)
        averages.append(average)
    return ema, averages


def test_by_hand() -> None:
    ema, averages = follow(pax.EMA(jnp.array(1.0), 0.75), jnp.array(5.0), jnp.array(-2.0))
    # 0.75 * 1 + 0.25 * 5 = 2, then 0.75 * 2 - 0.25 * 2 = 1
    np.testing.assert_array_equal(averages, [2.0, 1.0])
    np.testing.assert_array_equal(ema.averages, 1.0)
    assert ema.debias is None


def test_debiased_by_hand() -> None:
    start = pax.EMA(jnp.array(100.0), 0.75, debias=True)
    ema, averages = follow(start, jnp.array(4.0), jnp.array(8.0), jnp.array(1.0))
    # the first value replaces the 100; 0.75 * 4 + 0.25 * 8 = 5, 0.75 * 5 + 0.25 = 4
    np.testing.assert_array_equal(averages, [4.0, 5.0, 4.0])
    np.testing.assert_array_equal([start.debias, ema.debias], [1.0, 0.0])


def test_a_debiased_average_forgets_a_start_that_is_no_number() -> None:
    _, averages = follow(
        pax.EMA(jnp.array(np.nan), 0.75, debias=True), jnp.array(4.0), jnp.array(8.0)
    )
    np.testing.assert_array_equal(averages, [4.0, 5.0])


@pytest.mark.parametrize(("decay_rate", "expected"), [(0.0, 5.0), (1.0, 1.0)])
def test_the_ends_of_the_decay_rate(decay_rate: float, expected: float) -> None:
    _, averages = follow(pax.EMA(jnp.array(1.0), decay_rate), jnp.array(5.0))
    np.testing.assert_array_equal(averages, [expected])


def test_integers_take_the_newest_value() -> None:
    start = {"mean": jnp.array(1.0), "count": jnp.array([1, 2]), "seen": jnp.array(False)}
    x = {"mean": jnp.array(5.0), "count": jnp.array([7, 8]), "seen": jnp.array(True)}
    ema, _ = follow(pax.EMA(start, 0.75, allow_int=True), x)
    assert jax.tree.map(lambda a: a.tolist(), ema.averages) == {
        "mean": 2.0,
        "count": [7, 8],
        "seen": True,
    }
    assert jax.tree.map(lambda a: a.dtype, ema.averages) == jax.tree.map(lambda a: a.dtype, x)


def test_a_tree_of_numbers_and_containers() -> None:
    ema, (average,) = follow(pax.EMA([(1.0, 2.0), {"a": 3.0}], 0.5), [(3.0, 4.0), {"a": 5.0}])
    assert jax.tree.structure(average) == jax.tree.structure([(0, 0), {"a": 0}])
    np.testing.assert_array_equal(jax.tree.leaves(average), [2.0, 3.0, 4.0])
    np.testing.assert_array_equal(jax.tree.leaves(ema.averages), [2.0, 3.0, 4.0])


def test_the_parameters_of_a_module() -> None:
    net = pax.Linear(2, 3)
    ema, (average,) = follow(pax.EMA(net.parameters(), 0.5), net.map(lambda x: x + 1).parameters())
    np.testing.assert_allclose(average.weight, net.weight + 0.5, rtol=1e-6)
    assert jax.tree.leaves(ema.parameters()) == []


def test_in_evaluation_nothing_moves() -> None:
    ema = pax.EMA(jnp.array(1.0), 0.75).eval()
    assert ema(jnp.array(5.0)) is ema.averages
    np.testing.assert_array_equal(ema.averages, 1.0)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_the_dtype_of_the_averages_is_kept(dtype: Any, unchecked: None) -> None:
    ema = pax.EMA(jnp.ones(2, dtype), np.float32(0.75), debias=True)
    ema, averages = follow(ema, jnp.ones(2, jnp.float32), jnp.ones(2, dtype))
    assert [x.dtype for x in (ema.averages, *averages)] == [dtype] * 3


def test_an_update_outside_pure_is_refused() -> None:
    with pytest.raises(pax.PurityError, match="`averages` of EMA") as raised:
        Nested(pax.EMA(jnp.array(1.0), 0.75))(jnp.array(5.0))
    assert raised.value.path == "model.blocks.0.layer"


def test_printed_form() -> None:
    assert repr(pax.EMA(1.0, 0.75, True)) == "EMA(decay_rate=0.75, debias=True)"


def decay(value: Any) -> Bad:
    """Returns a decay rate that is refused."""
    return Bad(
        lambda: pax.EMA(1.0, value),
        pax.ArgumentError,
        f"EMA got decay_rate={value!r}; expected a number in [0, 1].",
        "write decay_rate=0.9.",
    )


@each(
    *map(decay, [-0.1, 1.1, float("nan"), "0.9", None, True]),
    Bad(
        lambda: pax.EMA({"a": [jnp.array(1.0), jnp.array(1)]}, 0.9),
        pax.ArgumentError,
        "EMA got a leaf of dtype int32 at initial_value['a'][1]; expected floating numbers.",
        "pass allow_int=True to keep the newest integers, or convert them to floats.",
    ),
    Bad(
        lambda: pax.EMA(3.0, 0.9, "yes"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "EMA got debias of type str; expected True or False.",
        "write debias=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.EMA(3, 0.9),
        pax.ArgumentError,
        "EMA got a leaf of dtype int32 at initial_value; expected floating numbers.",
        "pass allow_int=True to keep the newest integers, or convert them to floats.",
    ),
    Bad(
        lambda: pax.EMA(["mean"], 0.9),
        pax.ArgumentError,
        "EMA got a leaf of type str at initial_value[0]; expected arrays and numbers.",
        "pass a tree of arrays, such as module.parameters().",
    ),
    Bad(
        lambda: pax.EMA(1.0, 0.9),
        pax.StructureError,
        "EMA got values of shapes (2,); its averages have shapes ().",
        "give it the same tree at each call as at construction.",
        (np.zeros(2, np.float32),),
    ),
    Bad(
        lambda: pax.EMA({"a": 1.0}, 0.9),
        pax.StructureError,
        "EMA got values of shapes {'b': ()}; its averages have shapes {'a': ()}.",
        "give it the same tree at each call as at construction.",
        ({"b": np.float32(1)},),
    ),
    Bad(
        lambda: pax.EMA(1, 0.9, allow_int=True),
        pax.DtypeError,
        "EMA got values of dtype float32 where its averages have dtype int32; they would be cut "
        "to integers.",
        "start the averages with floating numbers.",
        (np.float32(1.5),),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
