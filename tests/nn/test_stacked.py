"""`pax.Stack`: one scanned program that does what a list of layers does."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pax
from tests.counting import count_compilations

DOTS = jax.checkpoint_policies.dots_saveable


class Block(pax.Module):
    """A layer with weights, averages and random keys."""

    norm: pax.BatchNorm1D
    parts: list[Any]

    def __init__(self, width: int = 4, rng_key: Any = None) -> None:
        super().__init__()
        self.norm = pax.BatchNorm1D(width)
        self.parts = [pax.Linear(width, width, rng_key=rng_key), pax.Dropout(0.3)]

    def __call__(self, x: Any, gain: Any = 1.0) -> Any:
        fc, drop = self.parts
        return x + drop(jnp.tanh(fc(self.norm(x)))) * gain


class Listed(pax.Module):
    """Blocks one after the other, in a list or stacked."""

    blocks: Any

    def __init__(self, blocks: Any) -> None:
        super().__init__()
        self.blocks = blocks

    def __call__(self, x: Any, gain: Any = 1.0) -> Any:
        if isinstance(self.blocks, pax.Stack):
            return self.blocks(x, gain=gain)
        for block in self.blocks:
            x = block(x, gain)
        return x


def listed_and_stacked(count: int = 3, remat: Any = None) -> tuple[Listed, Listed]:
    blocks = [Block() for _ in range(count)]
    rest = iter(blocks)
    return Listed(blocks), Listed(pax.Stack(lambda: next(rest), count, remat))


def inputs(seed: int = 0) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), (5, 2, 4))


def loss(model: Any, x: Any) -> Any:
    model, y = pax.purecall(model, x, 0.7)
    return jnp.sum(jnp.square(y)), model


def close(a: Any, b: Any) -> None:
    """Asserts that two trees are one up to rounding."""
    assert jax.tree_util.tree_structure(a) == jax.tree_util.tree_structure(b)
    for x, y in zip(jax.tree_util.tree_leaves(a), jax.tree_util.tree_leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "remat",
    [
        pytest.param(None, id="plain"),
        pytest.param(True, id="remat", marks=pytest.mark.slow),
        pytest.param(DOTS, id="policy", marks=pytest.mark.slow),
    ],
)
def test_training_is_that_of_a_list(remat: Any) -> None:
    listed, stacked = listed_and_stacked(remat=remat)
    update = jax.jit(pax.value_and_grad(loss, has_aux=True))
    for seed in range(2):
        ((a, listed), grads), ((b, stacked), its) = (
            update(m, inputs(seed)) for m in (listed, stacked)
        )
        close(a, b)
        close(grads.blocks, its.blocks.unstack())
        close(listed.state_dict(), stacked.state_dict())
    assert float(listed.blocks[2].norm.ema_mean.debias) < 1


def test_each_layer_draws_its_own_weights_and_keys() -> None:
    pax.seed_rng_key(3)
    blocks = pax.Stack(Block, 2)
    pax.seed_rng_key(3)
    close(blocks.unstack(), [Block(), Block()])
    first, second = blocks
    assert not (first.parts[0].weight == second.parts[0].weight).any()
    assert (first.parts[1].rng_key != second.parts[1].rng_key).any()


def test_a_key_is_split_for_the_layers() -> None:
    key = jax.random.key(1)
    blocks = pax.Stack(lambda rng_key: pax.Linear(4, 4, rng_key=rng_key), 2, rng_key=key)
    for block, part in zip(blocks, jax.random.split(key, 2), strict=True):
        close(block, pax.Linear(4, 4, rng_key=part))


def test_weights_interchange_with_a_list() -> None:
    listed, stacked = listed_and_stacked()
    listed, _ = pax.purecall(listed, inputs())
    named = jax.tree_util.tree_leaves_with_path(stacked.state_dict())
    names = {jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in named}
    assert {"blocks.2.parts.0.weight", "blocks.0.norm.ema_mean.averages"} <= names
    close(stacked.load_state_dict(listed.state_dict()).state_dict(), listed.state_dict())
    close(listed.load_state_dict(stacked.state_dict()).state_dict(), stacked.state_dict())
    blocks = stacked.blocks
    assert sorted(blocks.state_dict()) == ["0", "1", "2"]
    close(blocks.load_state_dict(blocks.state_dict()), blocks)


def test_what_does_not_fit_is_named_by_its_layer() -> None:
    _, stacked = listed_and_stacked()
    state = stacked.state_dict()
    del state["blocks"][1]["parts"]
    state["blocks"][2]["norm"]["scale"] = jnp.zeros(3)
    with pytest.raises(pax.StructureError) as error:
        stacked.load_state_dict(state)
    assert error.value.found == (
        "the state dict does not fit Listed: blocks.1.parts: missing, "
        "blocks.2.norm.scale: float32[3] for float32[1,1,4]."
    )


def test_layers_are_reached_by_index_slice_and_iteration() -> None:
    blocks = pax.Stack(lambda: pax.Linear(4, 4), 5)
    layers = blocks.unstack()
    assert (len(blocks), bool(blocks), len(layers)) == (5, True, 5)
    close(list(blocks), layers)
    close([blocks[0], blocks[-1]], [layers[0], layers[4]])
    close(blocks[1:4].unstack(), layers[1:4])
    close(pax.stack(layers[::-1]).unstack(), blocks[::-1].unstack())
    with pytest.raises(IndexError):
        blocks[5]


def test_numpy_and_typed_keys_and_other_trees_are_stacked() -> None:
    class Odd(pax.Module):
        def __init__(self, seed: int) -> None:
            super().__init__()
            self.key = jax.random.key(seed)
            self.table = np.arange(seed, seed + 3, dtype=np.float64)
            self.half = jnp.asarray([seed], jnp.bfloat16)
            self.nothing = None

        def __call__(self, x: Any) -> Any:
            return x + jnp.asarray(self.table, x.dtype)

    blocks = pax.stack([Odd(1), Odd(7)])
    second = blocks[1]
    assert second.key == jax.random.key(7)
    assert isinstance(second.table, np.ndarray) and second.table.dtype == np.float64
    assert second.half.dtype == jnp.bfloat16 and second.half == 7
    close(blocks(jnp.zeros(3)), jnp.array([8.0, 10.0, 12.0]))


def test_arrays_placed_on_purpose_stay_where_they_are() -> None:
    device = jax.devices()[1]
    layers = jax.device_put([pax.Linear(2, 2), pax.Linear(2, 2)], device)
    blocks = pax.stack(layers)
    assert blocks.stacked.weight.devices() == {device}
    assert blocks[1].weight.devices() == {device}
    close(blocks.unstack(), layers)


def test_stacking_and_taking_apart_compile_nothing() -> None:
    with count_compilations() as compilations:
        blocks = pax.Stack(lambda: pax.LayerNorm(7, -1, True, True), 3)
        blocks.unstack()
        blocks[1:].state_dict()
    assert compilations.count == 0


def test_a_stack_is_built_inside_jit_and_abstractly() -> None:
    def build(key: Any) -> Any:
        return pax.Stack(lambda rng_key: pax.Linear(4, 4, rng_key=rng_key), 3, rng_key=key)

    key = jax.random.key(0)
    close(jax.jit(build)(key), build(key))
    shapes = jax.eval_shape(build, key)
    assert shapes.stacked.weight.shape == (3, 4, 4)


def test_modes_freezing_and_policies_reach_the_layers() -> None:
    listed, stacked = listed_and_stacked()
    x = inputs()
    close(listed.eval()(x), stacked.eval()(x))
    frozen = pax.freeze_parameters(stacked)
    assert not jax.tree_util.tree_leaves(frozen.parameters())
    half = pax.Policy.parse("params=float32,compute=bfloat16,output=bfloat16")

    def under_policy(model: Any) -> Any:
        return model.eval().apply(lambda module: pax.apply_mp_policy(module, half))

    a, b = (under_policy(m)(x.astype(jnp.bfloat16)) for m in (listed, stacked))
    assert b.dtype == jnp.bfloat16
    np.testing.assert_allclose(a.astype(jnp.float32), b.astype(jnp.float32), rtol=2e-2, atol=2e-2)


def test_vmap_runs_over_stacks() -> None:
    stacks = [pax.Stack(lambda: pax.Linear(4, 4), 2) for _ in range(3)]
    many = jax.tree_util.tree_map(lambda *xs: jnp.stack(xs), *stacks)
    x = inputs()
    outs = jax.vmap(lambda stack, x: stack(x), in_axes=(0, None))(many, x)
    close(list(outs), [stack(x) for stack in stacks])


def test_a_stack_in_a_stack() -> None:
    inner = [[pax.Linear(4, 4) for _ in range(2)] for _ in range(3)]
    outer = pax.stack([pax.stack(layers) for layers in inner])
    x = y = inputs()
    for layers in inner:
        for layer in layers:
            y = layer(y)
    close(outer(x), y)
    assert outer.state_dict()["2"][1]["weight"].shape == (4, 4)


def test_trees_go_from_layer_to_layer() -> None:
    class Pair(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = pax.Linear(3, 3)

        def __call__(self, x: Any) -> Any:
            return {"a": x["b"], "b": self.fc(x["a"])}

    blocks = pax.Stack(Pair, 3)
    x = {"a": jnp.arange(3.0), "b": jnp.ones(3)}
    y = x
    for block in blocks:
        y = block(y)
    close(blocks(x), y)


def test_an_optimizer_trains_a_stack_as_a_list() -> None:
    listed, stacked = listed_and_stacked()
    transformation = optax.adamw(1e-2)

    @jax.jit
    def step(model: Any, optimizer: Any, x: Any) -> Any:
        (_, model), grads = pax.value_and_grad(loss, has_aux=True)(model, x)
        return pax.optim.apply_gradients(model, optimizer, grads)

    models = []
    for model in (listed, stacked):
        optimizer = pax.optim.Optimizer(transformation, model)
        for seed in range(3):
            model, optimizer = step(model, optimizer, inputs(seed))
        models.append(model)
    close(models[0].state_dict(), models[1].state_dict())


def test_one_program_however_many_layers() -> None:
    traces = []

    class Counted(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = pax.Linear(4, 4)

        def __call__(self, x: Any) -> Any:
            traces.append(None)
            return jnp.tanh(self.fc(x))

    def lines(count: int) -> int:
        stack = pax.Stack(Counted, count)
        grad = pax.grad(lambda m, x: jnp.sum(m(x)))
        traces.clear()
        program = jax.jit(grad).lower(stack, inputs())
        assert len(traces) == 1
        return len(program.as_text().splitlines())

    assert lines(64) == lines(2)


@pytest.mark.parametrize("remat", [None, True], ids=["plain", "remat"])
def test_eager_calls_compile_nothing_twice(remat: Any) -> None:
    listed, stacked = listed_and_stacked(remat=remat)
    new, y = pax.purecall(stacked, inputs(), 0.5)
    with count_compilations() as compilations:
        again, z = pax.purecall(stacked, inputs(), 0.5)
    assert compilations.count == 0
    close((new, y), (again, z))
    want, w = pax.purecall(listed, inputs(), 0.5)
    close((new.state_dict(), y), (want.state_dict(), w))


def test_layers_take_what_is_no_array() -> None:
    class Scaled(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = pax.Linear(4, 4)

        def __call__(self, x: Any, options: Any, *, act: Any) -> Any:
            return act(self.fc(x)) * options["gain"][0] * options["by"]

    blocks = pax.Stack(Scaled, 2)
    x = y = inputs()
    options = {"gain": [3.0], "by": jnp.array(0.5)}
    for block in blocks:
        y = block(y, options, act=jnp.tanh)
    close(blocks(x, options, act=jnp.tanh), y)
    run = jax.jit(lambda blocks, x, by: blocks(x, {"gain": [3.0], "by": by}, act=jnp.tanh))
    close(run(blocks, x, options["by"]), y)


def test_remat_keeps_less_for_the_backward_pass() -> None:
    def bytes_of(remat: Any) -> int:
        stack = pax.Stack(
            lambda: pax.Sequential(pax.Linear(32, 32), jnp.tanh, pax.Linear(32, 32), jnp.tanh),
            16,
            remat,
        )
        step = jax.jit(pax.grad(lambda m, x: jnp.sum(m(x))))
        x = jnp.ones((256, 32))
        return step.lower(stack, x).compile().memory_analysis().temp_size_in_bytes

    assert bytes_of(True) < 0.7 * bytes_of(None)


def test_copies_pickles_and_shows_itself() -> None:
    blocks = pax.Stack(lambda: pax.Linear(4, 4), 2, name="blocks")
    close(pickle.loads(pickle.dumps(blocks)), blocks)
    assert blocks.summary() == (
        "(blocks) Stack(num_layers=2)\n└── Linear(in_dim=4, out_dim=4, with_bias=True)"
    )


def test_state_does_not_change_outside_of_pure() -> None:
    _, stacked = listed_and_stacked()
    with pytest.raises(pax.PurityError) as error:
        stacked(inputs())
    assert error.value.path == "model.blocks.0.norm.ema_mean"
    with pytest.raises(pax.PurityError) as error:
        jax.jit(lambda model, x: model(x))(stacked, inputs())
    assert error.value.path == "model.blocks.*.norm.ema_mean"


def test_what_holds_a_part_sees_its_change() -> None:
    def call(stack: Any, x: Any) -> Any:
        part = stack.stacked
        y = stack(x)
        return stack, y, part is stack.stacked, part.norm.ema_mean.averages

    blocks = listed_and_stacked()[1].blocks
    new, _, is_same, averages = pax.pure(call)(blocks, inputs())
    assert is_same and averages is new.stacked.norm.ema_mean.averages
    assert not (averages == blocks.stacked.norm.ema_mean.averages).any()


def test_layers_with_single_numbers_in_half_precision() -> None:
    half = [
        pax.BatchNorm1D(2).map(lambda a: a.astype(jnp.bfloat16)) for _ in range(2)
    ]  # `debias` is one number
    blocks = pax.stack(half)
    assert blocks.stacked.ema_mean.debias.dtype == jnp.bfloat16
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 2)), jnp.bfloat16)
    blocks, _ = pax.purecall(blocks, x)
    np.testing.assert_array_equal(blocks.stacked.ema_mean.debias, [0, 0])
