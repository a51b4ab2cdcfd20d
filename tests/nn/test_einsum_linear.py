"""Linear maps of named axes: which weight, which numbers, and what is refused."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called

SIZES = {"width": 6, "heads": 2, "size": 3}
SPLIT = "... width -> ... heads size"

#: Spec, sizes, shapes of input, weight and bias, and the product as einsum spells it.
MAPS: list[tuple[Any, ...]] = [
    (SPLIT, SIZES, (4, 5, 6), (6, 2, 3), (2, 3), "btw,whs->bths"),
    ("... heads size -> ... width", SIZES, (5, 2, 3), (2, 3, 6), (6,), "ths,hsw->tw"),
    ("width->heads size", SIZES, (6,), (6, 2, 3), (2, 3), "w,whs->hs"),
    # a map of its own for each head; axes in another order; time in between
    (
        "b heads t size -> b t heads out",
        {"heads": 2, "size": 3, "out": 4},
        (1, 2, 5, 3),
        (3, 2, 4),
        (2, 4),
        "bhts,sho->btho",
    ),
    ("width ... -> heads ...", {"width": 6, "heads": 2}, (6, 5, 4), (6, 2), (2,), "wab,wh->hab"),
    ("... time width -> ... width", {"time": 3}, (2, 3, 4), (3,), (), "btw,t->bw"),
    ("time width -> time", {"width": 6}, (5, 6), (6,), (), "tw,w->t"),
]


@pytest.mark.parametrize(("spec", "sizes", "shape", "weight", "bias", "equation"), MAPS)
def test_what_the_text_says(
    spec: str, sizes: dict[str, int], shape: Any, weight: Any, bias: Any, equation: str
) -> None:
    layer = pax.EinsumLinear(spec, sizes, b_init=pax.initializers.normal(1.0))
    assert (layer.weight.shape, layer.bias.shape) == (weight, bias)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    y = np.einsum(equation, x, layer.weight)
    outputs = equation.split("->")[1]
    kept = [letter in equation.split(",")[1].split("-")[0] for letter in outputs]
    shown = [n if keep else 1 for n, keep in zip(y.shape, kept, strict=True)]
    np.testing.assert_allclose(
        called(layer, x), y + np.asarray(layer.bias).reshape(shown), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("spec", "fan"),
    [(SPLIT, 60), ("... heads size -> ... width", 600), ("t heads size -> t heads width", 300)],
)
def test_first_weights_have_variance_1_over_the_terms_of_a_sum(spec: str, fan: int) -> None:
    layer = pax.EinsumLinear(spec, {"width": 60, "heads": 2, "size": 300}, with_bias=False)
    assert abs(float(layer.weight.var()) * fan - 1) < 0.03
    assert abs(float(layer.weight.mean())) * fan**0.5 < 0.03


def test_without_bias() -> None:
    layer = pax.EinsumLinear(SPLIT, SIZES, False)
    assert layer.bias is None
    assert layer(jnp.zeros((0, 6))).shape == (0, 2, 3)


def test_it_is_one_product_of_matrices_where_it_can_be() -> None:
    layer = pax.EinsumLinear(SPLIT, SIZES)
    text = jax.jit(lambda m, x: m(x)).lower(layer, jnp.ones((4, 5, 6))).as_text()
    assert "tensor<20x6xf32>, tensor<6x6xf32>" in text


def test_printed_form() -> None:
    assert repr(pax.EinsumLinear("a -> b", {"a": 2, "b": 3}, name="map")) == (
        "(map) EinsumLinear(spec=a -> b, sizes={'a': 2, 'b': 3}, with_bias=True)"
    )


def refused(spec: Any, sizes: Any, what: str, fix: str) -> Bad:
    """Returns a text that is refused."""
    return Bad(
        lambda: pax.EinsumLinear(spec, sizes),
        pax.ArgumentError,
        f"EinsumLinear got spec={spec!r} with {what}.",
        fix,
    )


X = np.zeros((2, 5), np.float32)
SHOWN = "EinsumLinear(spec=... width -> ... heads size, sizes={'width': 6, 'heads': 2, 'size': 3}, "


@each(
    *[
        Bad(
            lambda spec=spec: pax.EinsumLinear(spec, SIZES),
            pax.ArgumentError,
            f"EinsumLinear got spec={spec!r}; expected the axes of the input, an arrow, and the "
            "axes of the output.",
            "write names with spaces between: '... width -> ... heads size'.",
        )
        for spec in ("width heads", "a -> b -> c", None)
    ],
    *[
        Bad(
            lambda sizes=sizes: pax.EinsumLinear("a -> b", sizes),
            pax.ArgumentError,
            f"EinsumLinear got sizes={sizes!r}; expected a dict of positive integers.",
            'give the size of each axis of the weight: {"width": 512, "heads": 8, "size": 64}.',
        )
        for sizes in ({"a": 0, "b": 1}, {"a": "1"}, (1, 2), None)
    ],
    refused(
        "... width, -> ... heads",
        SIZES,
        "axis 'width,', which is no name",
        "name axes by words, or '...'.",
    ),
    refused("a a -> b", {"a": 2, "b": 2}, "axis 'a' twice on one side", "give each its own name."),
    refused(
        "a -> ... b ...",
        {"a": 2, "b": 2},
        "axis '...' twice on one side",
        "give each its own name.",
    ),
    refused(
        "... a -> b",
        {"a": 2, "b": 2},
        "'...' on one side only",
        "write it on both, or on neither.",
    ),
    refused(
        SPLIT,
        {"width": 6, "heads": 2},
        "axis 'size' on one side only, and no size for it",
        "give its size: {'size': 64}; an axis without one is on both sides.",
    ),
    refused(
        "time width -> heads",
        {"width": 6, "heads": 2},
        "axis 'time' on one side only, and no size for it",
        "give its size: {'time': 64}; an axis without one is on both sides.",
    ),
    refused(
        "a -> b",
        {"a": 2, "b": 2, "c": 2},
        "a size for 'c', which it does not name",
        "leave that size out.",
    ),
    refused(
        "... a -> ... a b",
        {"a": 2, "b": 2},
        "no axis that is summed over",
        "leave an axis of the input out of the output.",
    ),
    Bad(
        lambda: pax.EinsumLinear(SPLIT, SIZES),
        pax.ShapeError,
        SHOWN + "with_bias=True) got input of shape (2, 5), whose axis 'width' has size 5; "
        "expected 6.",
        "build the layer with the size of the input, {'width': 5}.",
        (X,),
    ),
    Bad(
        lambda: pax.EinsumLinear(SPLIT, SIZES),
        pax.ShapeError,
        SHOWN + "with_bias=True) got input of shape (2, 0), whose axis 'width' has size 0; "
        "expected 6.",
        "give 'width' a size of 6.",
        (X[:, :0],),
    ),
    Bad(
        lambda: pax.EinsumLinear("a -> b", {"a": 5, "b": 2}),
        pax.ShapeError,
        "EinsumLinear(spec=a -> b, sizes={'a': 5, 'b': 2}, with_bias=True) got input of shape "
        "(2, 5); expected the axes a.",
        "reshape the input, or build the layer with the axes that it has.",
        (X,),
    ),
    Bad(
        lambda: pax.EinsumLinear("... a b c -> ... b c", {"a": 5}),
        pax.ShapeError,
        "EinsumLinear(spec=... a b c -> ... b c, sizes={'a': 5}, with_bias=True) got input of "
        "shape (2, 5); expected the axes ... a b c.",
        "reshape the input, or build the layer with the axes that it has.",
        (X,),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
