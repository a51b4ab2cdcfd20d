"""What `pax.Stack` and `pax.stack` refuse, and how they say it."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest

import pax


def refused(error: type[pax.PaxError], call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_a_block_that_is_built_already(unchecked: None) -> None:
    assert refused(pax.ArgumentError, pax.Stack, pax.Linear(2, 2), 3) == (
        "Stack got Linear(in_dim=2, out_dim=2, with_bias=True) as make_block; expected a function "
        "that builds a layer.\n"
        "  fix: pass one: pax.Stack(lambda: Block(512), 12); for layers that you have, "
        "pax.stack(layers)."
    )


def test_a_function_that_builds_no_layer(unchecked: None) -> None:
    assert refused(pax.ArgumentError, pax.Stack, lambda: None, 3) == (
        "Stack got a make_block that returned None; expected a module that can be called.\n"
        "  fix: return the layer: pax.Stack(lambda: Block(512), 12)."
    )


@pytest.mark.parametrize("count", [0, 2.0, True])
def test_a_number_of_layers(count: Any, unchecked: None) -> None:
    text = refused(pax.ArgumentError, pax.Stack, lambda: pax.Linear(2, 2), count)
    assert text.startswith(f"Stack got num_layers={count}")


def test_a_policy_that_is_none(unchecked: None) -> None:
    assert refused(pax.ArgumentError, pax.Stack, lambda: pax.Linear(2, 2), 2, "dots") == (
        "Stack got policy='dots'; expected a function, or None.\n"
        "  fix: choose one of jax.checkpoint_policies, such as dots_saveable."
    )


def test_layers_of_other_shapes() -> None:
    widths = iter([4, 5])
    make = lambda: pax.LayerNorm(4, -1, True, True).replace(scale=jnp.ones(next(widths)))  # noqa: E731
    assert refused(pax.ShapeError, pax.Stack, make, 2) == (
        "stacked layers must have arrays of one shape; layer 0 against layer 1: "
        "`scale`: (4,) against (5,).\n"
        "  fix: build all layers alike, or keep them in a list."
    )


def test_layers_of_other_dtypes() -> None:
    layers = [pax.Linear(2, 2), pax.Linear(2, 2).map(lambda x: x.astype(jnp.float16))]
    assert refused(pax.DtypeError, pax.stack, layers) == (
        "stacked layers must have arrays of one dtype; layer 0 against layer 1: "
        "`weight`: float32 against float16, `bias`: float32 against float16.\n"
        "  fix: build all layers alike, or keep them in a list."
    )


def test_layers_of_other_structure() -> None:
    assert refused(pax.StructureError, pax.stack, [pax.Dropout(0.1), pax.Dropout(0.2)]) == (
        "stacked layers must have one structure; layer 0 against layer 1: "
        "`dropout_rate`: 0.1 against 0.2.\n"
        "  fix: build all layers alike: functions defined once and outside, no names of their own, "
        "numbers that differ as arrays; or keep the layers in a list."
    )


@pytest.mark.parametrize("layers", [[], [jnp.tanh]], ids=["none", "function"])
def test_no_layers(layers: Any, unchecked: None) -> None:
    text = refused(pax.ArgumentError, pax.stack, layers)
    assert text == (
        f"pax.stack got {layers!r}; expected a list of modules, at least one.\n"
        "  fix: pass the layers themselves: pax.stack([Block(512) for _ in range(12)])."
    )


def test_an_empty_slice() -> None:
    blocks = pax.Stack(lambda: pax.Linear(2, 2), 3)
    with pytest.raises(pax.ArgumentError) as error:
        blocks[2:1]
    assert str(error.value) == (
        "Stack(num_layers=3) got an empty slice, slice(2, 1, None).\n"
        "  fix: a stack has at least one layer; leave it out where there is none."
    )


def test_a_layer_that_changes_the_shape() -> None:
    blocks = pax.Stack(lambda: pax.Linear(2, 3), 2)
    assert refused(pax.ShapeError, blocks, jnp.ones((4, 2))) == (
        "Stack(num_layers=2): a layer turned float32[4, 2] into float32[4, 3]; all layers of a "
        "stack work on one shape.\n"
        "  at: model\n"
        "  fix: keep layers that change it outside of the stack, before or after."
    )


def test_a_layer_that_changes_the_dtype() -> None:
    blocks = pax.Stack(lambda: pax.Lambda(lambda_to_half), 2)
    assert refused(pax.DtypeError, blocks, jnp.ones(2)) == (
        "Stack(num_layers=2): a layer turned float32[2] into float16[2]; all layers of a stack "
        "work on one dtype.\n"
        "  at: model\n"
        "  fix: cast the input before: x.astype('float16'), or the output in the layer."
    )


def lambda_to_half(x: Any) -> Any:
    return x.astype(jnp.float16)


def test_a_layer_that_changes_its_structure() -> None:
    class Counting(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def __call__(self, x: Any) -> Any:
            self.calls += 1
            return x

    blocks = pax.Stack(Counting, 2)
    assert refused(pax.StructureError, pax.purecall, blocks, jnp.ones(2)) == (
        "a call of Counting changed its structure, which must stay as it is in a scan and in a "
        "recomputed call; before against after: `calls`: 0 against 1.\n"
        "  at: model\n"
        "  fix: let the call change arrays only; set modes and other attributes before."
    )
