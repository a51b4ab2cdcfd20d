"""Which implementation of attention is taken, why, and what is refused."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax.functional.attention_choice
from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import AttentionChoice, attention_implementation, dot_product_attention
from pax.functional.attention_choice import Problem, choose
from tests.functional.messages import message


def shape(*sizes: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, dtype)


def reason(query: Any, key: Any, value: Any, *mask: Any, **options: Any) -> str:
    return str(attention_implementation(query, key, value, *mask, **options))


@pytest.mark.parametrize(
    ("queries", "keys", "expected"),
    [
        (16384, 16384, "chunked: scores of 8 x 4 x 16384 x 16384 would take 34 GB"),
        (512, 512, "chunked: scores of 8 x 4 x 512 x 512 would take 34 MB"),
        (129, 10000, "chunked: scores of 8 x 4 x 129 x 10000 would take 165 MB"),
        (64, 64, "quadratic: scores of 8 x 4 x 64 x 64 take 524 kB, up to 8.0 MB"),
        (250, 250, "quadratic: scores of 8 x 4 x 250 x 250 take 8.0 MB, up to 8.0 MB"),
        (1, 3, "quadratic: scores of 8 x 4 x 1 x 3 take 384 B, up to 8.0 MB"),
        (0, 3, "quadratic: scores of 8 x 4 x 0 x 3 take 0 B, up to 8.0 MB"),
        (
            1,
            10**6,
            "quadratic: scores of 8 x 4 x 1 x 1000000 take 128 MB, one side has at most 128 places",
        ),
    ],
)
def test_by_size(queries: int, keys: int, expected: str) -> None:
    query, key = shape(8, queries, 4, 64), shape(8, keys, 4, 64)
    assert reason(query, key, key) == expected
    assert reason(query, key, key, shape(8, 1, 1, keys), is_causal=True) == expected


def test_float64_counts_twice() -> None:
    with jax.enable_x64(True):
        x = shape(4, 250, 4, 8, dtype=jnp.float64)
        found = reason(x, x, x)
    assert found == "quadratic: scores of 4 x 4 x 250 x 250 take 8.0 MB, up to 8.0 MB"


def test_what_is_asked_for() -> None:
    x = np.zeros((1, 3, 2, 4), np.float32)
    for name in ("quadratic", "chunked"):
        found = attention_implementation(x, x, x, np.ones((3, 3)), implementation=name)
        assert found == AttentionChoice(name, "asked for")
        assert str(found) == f"{name}: asked for"


def test_the_choice_is_what_runs() -> None:
    def program(length: int, implementation: str | None) -> str:
        x = shape(1, length, 4, 64)
        return str(
            jax.make_jaxpr(
                lambda *a: dot_product_attention(*a, is_causal=True, implementation=implementation)
            )(x, x, x)
        )

    for length, taken, other in [
        (1024, "chunked", "quadratic"),
        (64, "quadratic", "chunked"),
    ]:
        assert program(length, None) == program(length, taken) != program(length, other)


GPU = Problem(
    query=(8, 1024, 4, 64),
    key=(8, 1000, 4, 64),
    value=(8, 1000, 4, 64),
    dtype=np.dtype(jnp.bfloat16),
    options=(),
    is_causal=False,
    platform="gpu",
    capability=(8, 6),
)
OLD = "the GPU has compute capability 7.5, and it needs 8.0"
NO_GPU = "JAX computes on a tpu device, and it needs an NVIDIA GPU"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"dtype": np.dtype(np.float16)},
        {"query": (8, 1024, 4, 128), "key": (8, 9, 4, 128), "value": (8, 9, 4, 128)},
        {
            "query": (1, 4, 256),
            "key": (1, 4, 256),
            "value": (1, 4, 256),
            "capability": (9, 0),
        },
        {"key": (8, 1000, 2, 64), "value": (8, 1000, 2, 64)},
        {"key": (8, 1024, 4, 64), "options": ("window",), "is_causal": True},
    ],
)
def test_the_kernel_is_taken_where_it_applies(change: dict[str, Any]) -> None:
    problem = GPU._replace(**change)
    expected = f"its kernel takes {problem.dtype} without mask"
    assert choose(problem, None) == AttentionChoice("cudnn", expected)
    assert choose(problem, "cudnn") == AttentionChoice("cudnn", "asked for")
    assert choose(problem, "chunked") == AttentionChoice("chunked", "asked for")


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({"capability": None, "platform": "tpu"}, NO_GPU),
        ({"capability": (7, 5)}, OLD),
        (
            {"dtype": np.dtype(np.float32)},
            "the arrays are float32, and it takes float16 and bfloat16",
        ),
        ({"options": ("mask",)}, "there is a mask, and it takes none; is_causal=True is none"),
        ({"options": ("dropout_rate", "bias")}, "it takes no dropout_rate"),
        ({"options": ("window", "sinks")}, "it takes no sinks"),
        ({"options": ("window",)}, "it takes a window only with is_causal=True"),
        (
            {"options": ("window",), "is_causal": True},
            "it takes a window only where T equals S",
        ),
        ({"value": (8, 1000, 4, 32)}, "K is 64 and V is 32, and it takes equal widths"),
        (
            {"query": (8, 9, 4, 60), "value": (8, 9, 4, 60)},
            "K is 60, and it takes multiples of 8 up to 128",
        ),
        (
            {"query": (8, 9, 4, 136), "value": (8, 9, 4, 136)},
            "K is 136, and it takes multiples of 8 up to 128",
        ),
        (
            {"query": (8, 9, 4, 264), "value": (8, 9, 4, 264), "capability": (9, 0)},
            "K is 264, and it takes multiples of 8 up to 256",
        ),
        ({"query": (0, 9, 4, 64)}, "an array is empty"),
        ({"key": (8, 0, 4, 64)}, "an array is empty"),
    ],
)
def test_the_kernel_is_refused_where_it_does_not_apply(
    change: dict[str, Any], obstacle: str
) -> None:
    problem = GPU._replace(**change)
    assert choose(problem, None).implementation == "quadratic"
    assert message(ArgumentError, lambda: choose(problem, "cudnn")) == (
        f"dot_product_attention got implementation='cudnn', but {obstacle}.\n"
        "  fix: leave it None: the kernel is taken wherever it applies."
    )


def test_off_the_cpu_only_large_scores_are_chunked() -> None:
    problem = GPU._replace(options=("mask",))
    assert str(choose(problem, None)) == (
        "quadratic: scores of 8 x 4 x 1024 x 1000 take 131 MB, up to 500 MB"
    )
    problem = problem._replace(query=(8, 4096, 4, 64), key=(8, 4096, 4, 64))
    assert str(choose(problem, None)) == "chunked: scores of 8 x 4 x 4096 x 4096 would take 2.1 GB"


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"bias": shape(9, 9), "scale": 2.0}, "bias"),
        ({"alibi_slopes": shape(4)}, "alibi_slopes"),
        ({"sinks": shape(4), "is_causal": True, "window": 3}, "sinks"),
        ({"soft_cap": 9.0}, "soft_cap"),
        ({"key_positions": shape(9, dtype=jnp.int32)}, "key_positions"),
        ({"dropout_rate": 0.1, "rng_key": np.zeros(2, np.uint32)}, "dropout_rate"),
    ],
)
def test_the_kernel_is_refused_with_other_options(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], refused: str
) -> None:
    monkeypatch.setattr(pax.functional.attention_choice, "cuda_capability", lambda: (9, 0))
    x = shape(8, 9, 4, 64, dtype=jnp.bfloat16)
    assert attention_implementation(x, x, x).implementation == "cudnn"
    assert attention_implementation(x, x, x, **options).implementation == "quadratic"
    asked = {"implementation": "cudnn"} | options
    assert message(ArgumentError, lambda: attention_implementation(x, x, x, **asked)) == (
        f"dot_product_attention got implementation='cudnn', but it takes no {refused}.\n"
        "  fix: leave it None: the kernel is taken wherever it applies."
    )


def test_the_kernel_of_jax_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    theirs = jax.nn.dot_product_attention

    def kernel(*arrays: Any, implementation: str, **options: Any) -> jax.Array:
        names.append(implementation)
        with jax.numpy_dtype_promotion("standard"):
            return theirs(*arrays, implementation="xla", **options)

    monkeypatch.setattr(pax.functional.attention_choice, "cuda_capability", lambda: (9, 0))
    monkeypatch.setattr(jax.nn, "dot_product_attention", kernel)
    rng = np.random.default_rng(0)
    query, other, grouped = (
        jnp.asarray(rng.standard_normal((2, 3, *shape, 8)), jnp.bfloat16)
        for shape in ((4, 4), (5, 4), (4, 2))
    )
    for key, options in ((other, {}), (grouped, {"window": 2, "scale": 0.7})):
        y = dot_product_attention(query, key, key, is_causal=True, **options)
        assert names.pop() == "cudnn"
        expected = dot_product_attention(
            query, key, key, is_causal=True, implementation="quadratic", **options
        )
        assert y.dtype == expected.dtype
        off = jnp.abs(y.astype(jnp.float32) - expected.astype(jnp.float32)).max()
        assert off <= 2 * float(jnp.finfo(jnp.bfloat16).eps) * float(jnp.abs(expected).max())


def test_the_kernel_is_refused_on_a_cpu_before_anything_runs() -> None:
    x = shape(8, 16384, 4, 64)  # no arrays at all
    expected = (
        "dot_product_attention got implementation='cudnn', but JAX computes on a cpu device, and "
        "it needs an NVIDIA GPU.\n"
        "  fix: leave it None: the kernel is taken wherever it applies."
    )
    found = message(
        ArgumentError, lambda: attention_implementation(x, x, x, implementation="cudnn")
    )
    assert found == expected
    y = np.zeros((1, 3, 2, 8), np.float32)
    assert expected == message(
        ArgumentError, lambda: dot_product_attention(y, y, y, implementation="cudnn")
    )


def test_an_unknown_implementation_is_refused() -> None:
    x = np.zeros((1, 3, 2, 4), np.float32)
    for function in (dot_product_attention, attention_implementation):
        assert message(ArgumentError, lambda f=function: f(x, x, x, implementation="flash")) == (
            "dot_product_attention got implementation='flash'; expected None, 'quadratic', "
            "'chunked' or 'cudnn'.\n"
            "  fix: leave it None; pax.functional.attention_implementation(...) says what that "
            "takes."
        )


def test_arguments_are_checked_as_those_of_attention() -> None:
    x = shape(2, 3, 4, 8)
    assert message(
        DtypeError, lambda: attention_implementation(shape(2, dtype=jnp.int32), x, x)
    ) == (
        "dot_product_attention got query of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. query.astype(jnp.float32)."
    )
    assert message(ShapeError, lambda: attention_implementation(x, x, shape(2, 5, 4, 8))) == (
        "dot_product_attention got query (2, 3, 4, 8), key (2, 3, 4, 8), value (2, 5, 4, 8); "
        "expected (..., T, H, K), (..., S, G, K), (..., S, G, V).\n"
        "  fix: split the last axis into heads, x.reshape(*x.shape[:-1], num_heads, key_size), "
        "and give all three equal leading axes."
    )
    for mask in (shape(2, 3, 3), np.ones((2, 3, 3))):
        assert message(ShapeError, lambda m=mask: attention_implementation(x, x, x, m)) == (
            "dot_product_attention got mask of shape (2, 3, 3) for scores of shape (2, 4, 3, 3) "
            "[..., H, T, S].\n"
            "  fix: add the head axis: mask[:, None]."
        )
