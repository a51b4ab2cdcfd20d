"""The initializers give what `jax.nn.initializers` gives, to the last bit."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.extend.random
import jax.numpy as jnp
import numpy as np
import pytest

import pax.initializers
from pax._core import define_prng
from pax.initializers.blocks import BLOCK

OURS = pax.initializers
THEIRS = jax.nn.initializers

#: (name, arguments) of everything that draws in blocks.
LAWS: list[tuple[str, dict[str, Any]]] = [
    ("normal", {"stddev": 0.37}),
    ("uniform", {"scale": 0.3}),
    ("truncated_normal", {"stddev": 0.02}),
    ("truncated_normal", {"stddev": 1.7, "lower": -0.3, "upper": 1.1}),
    (
        "variance_scaling",
        {"scale": 1.3, "mode": "fan_geo_avg", "distribution": "normal", "batch_axis": (0,)},
    ),
]
SLOW = pytest.mark.slow
#: Where a scale is multiplied in, the last bit tells how hard XLA worked.
optimized = pytest.mark.usefixtures("fully_optimized")
SHAPES = [(3, 3, 16, 8), (2, BLOCK // 4, 2), (1, 257, 513)]


#: Names of `jax.nn.initializers` for what has another name already.
SYNONYMS = {"xavier_normal": "glorot_normal", "xavier_uniform": "glorot_uniform"}


def assert_same(found: jax.Array, expected: jax.Array) -> None:
    """Checks values bit by bit, and all that JAX knows of an array besides."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.weak_type == expected.weak_type
    assert found.sharding == expected.sharding
    assert found.committed == expected.committed
    assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()


def both(name: str, arguments: dict[str, Any], *call: Any) -> tuple[jax.Array, jax.Array]:
    """Returns what we draw and what JAX draws."""
    return getattr(OURS, name)(**arguments)(*call), getattr(THEIRS, name)(**arguments)(*call)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "arguments"), LAWS)
def test_shapes(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    assert_same(*both(name, arguments, jax.random.PRNGKey(math.prod(shape)), shape))


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("float16", marks=SLOW), "float64"])
@pytest.mark.parametrize(("name", "arguments"), LAWS)
def test_dtypes(name: str, arguments: dict[str, Any], dtype: str) -> None:
    with jax.enable_x64(dtype == "float64"):
        assert_same(*both(name, arguments, jax.random.key(5), (3, 71, 309), dtype))


@SLOW
@optimized
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg", "fan_geo_avg"])
@pytest.mark.parametrize("distribution", ["truncated_normal", "normal", "uniform"])
def test_variance_scaling(mode: str, distribution: str) -> None:
    for axes in [{}, {"in_axis": 0, "out_axis": (1, 3), "batch_axis": 2}, {"in_axis": [-1, 0]}]:
        arguments = {"scale": 0.9, "mode": mode, "distribution": distribution, **axes}
        assert_same(*both("variance_scaling", arguments, jax.random.key(1), (3, 5, 7, 11)))


@optimized
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(f"{who}_{law}", marks=() if (who, law) == ("lecun", "normal") else SLOW)
        for who in ("lecun", "glorot", "he", "kaiming")
        for law in ("normal", "uniform")
    ],
)
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        pytest.param({"in_axis": 0, "out_axis": 1}, marks=SLOW),
        pytest.param({"dtype": jnp.bfloat16}, marks=SLOW),
    ],
    ids=["default", "axes", "bfloat16"],
)
def test_presets(name: str, arguments: dict[str, Any]) -> None:
    assert_same(*both(name, arguments, jax.random.key(2), (3, 5, 7, 11)))


@optimized
def test_every_initializer_of_jax_is_here() -> None:
    theirs = {name for name in dir(THEIRS) if not name.startswith("_")}
    assert theirs - SYNONYMS.keys() <= {name for name in dir(OURS) if not name.startswith("_")}
    for name, ours in SYNONYMS.items():
        call = (jax.random.key(4), (5, 7))
        assert_same(getattr(OURS, ours)()(*call), getattr(THEIRS, name)()(*call))


@pytest.mark.parametrize("shape", [(), (1,), (0, 2), (2, BLOCK // 4, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_uniform_between_is_that_of_jax(shape: Any, dtype: str) -> None:
    key = jax.random.key(3)
    found = OURS.uniform_between(-0.3, 0.71)(key, shape, dtype)
    assert_same(found, jax.random.uniform(key, shape, dtype, -0.3, 0.71))


@pytest.mark.parametrize("name", ["normal", "uniform", "truncated_normal"])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (4, 0, 3), [3, 5]], ids=str)
def test_edge_shapes(name: str, shape: Any) -> None:
    assert_same(*both(name, {}, jax.random.key(3), shape))


def test_zero_size_weights_are_empty() -> None:
    for shape in [(0, 4), (4, 0), (3, 3, 0, 8)]:
        assert OURS.lecun_normal()(jax.random.key(0), shape).shape == shape


def test_keys() -> None:
    for seed in (0, 7, 2**31, 2**32 - 1):
        raw = np.asarray(jax.random.key_data(jax.random.key(seed)))
        for key in (raw, jnp.asarray(raw), jax.random.key(seed), jax.random.fold_in(raw, seed)):
            assert_same(*both("normal", {}, key, (3, 5)))


def test_dtypes_by_other_names() -> None:
    for dtype in (float, "bfloat16", np.float16, np.dtype("float32"), jnp.float32):
        assert_same(*both("normal", {}, jax.random.key(0), (3, 5), dtype))
        assert_same(OURS.zeros(None, (3, 5), dtype), THEIRS.zeros(None, (3, 5), dtype))
    assert_same(OURS.ones(None, (3, 5), int), THEIRS.ones(None, (3, 5), int))


def test_a_dtype_that_jax_narrows_is_no_secret() -> None:
    for _ in range(2):  # the second time nothing is traced any more
        with pytest.warns(UserWarning, match="float64"):
            assert OURS.normal()(jax.random.key(0), (3, 5), jnp.float64).dtype == jnp.float32
    with pytest.warns(UserWarning, match="float64"):
        assert OURS.zeros(None, (3, 5), jnp.float64).dtype == jnp.float32


def test_dtype_of_a_call_wins_over_that_of_the_initializer() -> None:
    key = jax.random.key(0)
    assert_same(*both("normal", {"dtype": jnp.float16}, key, (3, 5)))
    assert_same(*both("normal", {"dtype": jnp.float16}, key, (3, 5), jnp.bfloat16))
    with jax.enable_x64(True):
        assert_same(*both("normal", {}, key, (3, 5)))
        assert OURS.normal()(key, (3, 5)).dtype == jnp.float64


@pytest.mark.parametrize("name", ["zeros", "ones"])
def test_constants(name: str) -> None:
    shapes = [(), (1,), (0, 3), (4, 5), [2, 3]]
    dtypes = [None, jnp.bfloat16, jnp.int32, bool, jnp.complex64]
    for shape, dtype in itertools.product(shapes, dtypes):
        call = (jax.random.key(0), shape, dtype)
        assert_same(getattr(OURS, name)(*call), getattr(THEIRS, name)(*call))
    with jax.enable_x64(True):
        call = (None, (3,))
        assert_same(getattr(OURS, name)(*call), getattr(THEIRS, name)(*call))


def test_constant() -> None:
    values = [-7, 0.3, np.float32(1 / 3), jnp.linspace(0.1, 2, 5), np.full((4, 1), 0.7, np.float32)]
    for value, dtype in itertools.product(values, [None, jnp.bfloat16, jnp.int32]):
        assert_same(*both("constant", {"value": value}, None, (4, 5), dtype))
    assert_same(*both("constant", {"value": 3, "dtype": jnp.int8}, None, ()))
    assert (jax.jit(lambda value: OURS.constant(value)(None, (4, 5)))(2.0) == 2.0).all()


@pytest.mark.parametrize(
    ("name", "shape"), [("orthogonal", (5, 3)), ("delta_orthogonal", (3, 3, 4, 6))]
)
def test_orthogonal(name: str, shape: tuple[int, ...]) -> None:
    for arguments in [{}, {"scale": 0.5}, {"column_axis": 0}]:
        assert_same(*both(name, arguments, jax.random.key(0), shape))


def test_positions_beyond_32_bits() -> None:
    """A block far along has bits of its own, those of the hash that JAX documents."""
    words = np.array([3, 5, 2, 8], np.uint32)
    expected = jax.extend.random.threefry_2x32((words[0], words[1]), jnp.asarray(words[2:]))
    found = pax.initializers.blocks._counting_bits(jnp.asarray(words), 32, (4,))
    assert found[0] == expected[0] ^ expected[1]


@pytest.mark.parametrize("dtype", [jnp.complex64, jnp.float8_e4m3fn])
def test_rare_dtypes_are_left_to_jax(dtype: Any) -> None:
    arguments = {"scale": 1.0, "mode": "fan_in", "distribution": "normal"}
    assert_same(*both("variance_scaling", arguments, jax.random.key(0), (6, 5), dtype))


def test_other_generators_are_left_to_jax() -> None:
    assert_same(*both("normal", {}, jax.random.key(0, impl="rbg"), (3, 5)))
    users_own = define_prng("users_own", 2, lambda words, width, shape: jnp.full(shape, words[1]))
    key = jax.random.wrap_key_data(jnp.array([1, 2**30], jnp.uint32), impl=users_own)
    assert_same(*both("normal", {}, key, (3, 5)))
    with jax.threefry_partitionable(False):
        assert_same(*both("normal", {}, jax.random.key(0), (3, 5)))
    with jax.default_prng_impl("rbg"):
        assert_same(*both("normal", {}, jax.random.PRNGKey(0), (3, 5)))


def test_the_device_is_that_of_jax() -> None:
    device = jax.devices()[3]
    assert_same(*both("normal", {}, jax.device_put(jax.random.key(0), device), (3, 5)))
    with jax.default_device(device):
        assert_same(*both("normal", {}, jax.random.key(0), (3, 5)))
        assert_same(OURS.zeros(None, (3, 5)), THEIRS.zeros(None, (3, 5)))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        assert_same(*both("normal", {}, jax.random.key(0), (3, 5)))
        assert_same(OURS.zeros(None, (3, 5)), THEIRS.zeros(None, (3, 5)))
