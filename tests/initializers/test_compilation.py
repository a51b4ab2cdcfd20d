"""Construction compiles one program for each law and dtype, and owns its memory."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax.initializers as init
from pax.initializers.blocks import BLOCK
from tests.counting import count_compilations

#: Shapes that no other test draws.
SHAPES = [(3, 3, 31, 37), (41, 43), (47,), (1, 53, 59), (61, 67, 71)]
LAWS = {
    "normal": init.normal(),
    "uniform": init.uniform(),
    "truncated_normal": init.truncated_normal(),
    "uniform_between": init.uniform_between(-1.0, 0.5),
}


@pytest.mark.parametrize("name", LAWS)
def test_all_shapes_share_one_program(name: str) -> None:
    key = jax.random.PRNGKey(0)
    with count_compilations() as compilations:
        for shape in SHAPES:
            LAWS[name](key, shape)
    assert compilations.count <= 1
    with count_compilations() as compilations:
        for shape in SHAPES:
            LAWS[name](key, shape[::-1])
    assert compilations.count == 0


def test_presets_share_the_programs_of_the_laws() -> None:
    key = jax.random.PRNGKey(0)
    for law in LAWS.values():
        law(key, (2, 2))
    with count_compilations() as compilations:
        for shape in [(3, 29), (5, 5, 7, 13)]:
            for preset in (init.lecun_normal, init.kaiming_uniform, init.glorot_normal):
                preset()(key, shape)
            init.variance_scaling(2.0, "fan_out", "normal")(key, shape)
            init.truncated_normal(0.3, lower=-1.0)(key, shape)
    assert compilations.count == 0


def test_constants_compile_nothing() -> None:
    with count_compilations() as compilations:
        for shape in SHAPES:
            init.zeros(None, shape)
            init.ones(None, shape, jnp.bfloat16)
            init.constant(0.5)(None, shape)
            init.dirac()(None, (1, *shape, 2))
            init.identity(2.0)(None, (2, *shape)[-2:])
    assert compilations.count == 0


def test_sparse_shares_the_programs_of_the_laws() -> None:
    key = jax.random.key(0)
    for draw in (init.normal(), init.uniform(), init.sparse(0.5)):
        draw(key, (2, 2))
    with count_compilations() as compilations:
        for shape in [(3, 29), (31, 7)]:
            init.sparse(0.3)(key, shape)
    assert compilations.count == 0


def test_counter_sees_what_jax_compiles() -> None:
    with count_compilations() as compilations:
        for shape in [(17, 19), (19, 17)]:
            jax.nn.initializers.normal()(jax.random.PRNGKey(0), shape)
    assert compilations.count >= 2
    assert compilations.seconds > 0


def test_an_abstract_model_draws_nothing() -> None:
    huge = (2**20, 2**20)
    for initializer in (
        *LAWS.values(),
        init.he_normal(),
        init.sparse(0.5),
        init.identity(),
        init.zeros,
        init.constant(2.0),
    ):
        found = jax.eval_shape(lambda key, f=initializer: f(key, huge), jax.random.key(0))
        assert found == jax.ShapeDtypeStruct(huge, jnp.float32)


@pytest.mark.parametrize("name", LAWS)
def test_under_transformations(name: str) -> None:
    law, keys = LAWS[name], jax.random.split(jax.random.key(0), 3)
    loop = jnp.stack([law(key, (4, 5)) for key in keys])
    np.testing.assert_allclose(jax.jit(lambda key: law(key, (4, 5)))(keys[0]), loop[0], rtol=1e-6)
    assert (jax.vmap(lambda key: law(key, (4, 5)))(keys) == loop).all()
    constant_key = jax.jit(lambda x: law(keys[0], (4, 5)) + x)
    np.testing.assert_allclose(constant_key(1.0), loop[0] + 1, rtol=1e-6)
    gradient = jax.grad(lambda x: (x * law(keys[1], (4, 5))).sum())(2.0)
    np.testing.assert_allclose(gradient, loop[1].sum(), rtol=1e-5)


def test_small_arrays_do_not_keep_a_block() -> None:
    law, key = LAWS["normal"], jax.random.PRNGKey(0)
    law(key, (10,))
    tracemalloc.start()
    try:
        kept = [law(key, (10,)) for _ in range(50)]
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) * 10 * 4 < current < BLOCK * 4


def test_arrays_share_no_memory_and_can_be_donated() -> None:
    law, key = LAWS["normal"], jax.random.PRNGKey(0)
    first, second = law(key, (64, 64)), law(key, (64, 64))
    before = np.array(second)
    doubled = jax.jit(lambda x: x * 2, donate_argnums=0)(first)
    assert (second == before).all()
    assert (doubled == 2 * before).all()


def test_threads() -> None:
    keys = [jax.random.PRNGKey(seed) for seed in range(16)]

    def build(key: jax.Array) -> list[np.ndarray]:
        return [np.asarray(law(key, (300, 301))) for law in LAWS.values()]

    expected = [build(key) for key in keys]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(build, keys))
    for ours, theirs in zip(found, expected, strict=True):
        assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
