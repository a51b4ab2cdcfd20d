"""With a draft, tokens are spread as without one, and the greedy ones are the same."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import generation
from pax.generation.rewinding import rewound
from tests.generation.models import Recurrent, Sourced, Table, Window, chi_square, pairs, softmax

V, N = 5, 7
PROMPT = jnp.array([[1, 2, 3], [2, 4, 0], [0, 3, 3]], jnp.int32)
LENGTHS = jnp.array([3, 2, 1])
run = functools.partial(generation.speculative, max_new_tokens=N, num_draft_tokens=3)

#: A model and a draft that is often wrong, for each kind of cache: one that is made again, one
#: that is taken back, a ring that has forgotten what it was, and one beside a source with holes.
CACHES: dict[str, tuple[Any, Any]] = {
    "state": (Table(V), Table(V, 1)),
    "places": (Window(V), Window(V, 1)),
    "ring": (Window(V, size=3), Window(V, 1, size=4)),
    "source": (Sourced(V), Sourced(V, 1)),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=() if k == "places" else pytest.mark.slow) for k in CACHES]
)
def test_the_likeliest_tokens_are_the_same(kind: str) -> None:
    model, draft = CACHES[kind]
    alone = generation.generate(model, PROMPT, max_new_tokens=N, lengths=LENGTHS, stop_tokens=0)
    out = run(model, draft, PROMPT, lengths=LENGTHS, stop_tokens=0)
    np.testing.assert_array_equal(out.tokens, alone.tokens)
    np.testing.assert_array_equal(out.lengths, alone.lengths)
    assert len({*out.lengths.tolist()}) > 1
    np.testing.assert_allclose(out.log_probs, alone.log_probs, rtol=1e-5)
    assert 0 < out.num_accepted.sum() < out.num_drafted.sum()


def test_tokens_are_struck_out_and_a_source_is_not() -> None:
    before = Sourced(V).make_cache(2, 6)
    at = jnp.array([[0, 1, 2, 3, -1, -1], [0, 1, -1, -1, -1, -1]])
    after = before[0]._replace(positions=at, length=jnp.array([4, 2])), before[1]
    places, source = rewound(before, after, jnp.array([3, 0]))
    assert places.length.tolist() == [1, 2]
    assert places.positions.tolist() == [[0, -1, -1, -1, -1, -1], [0, 1, -1, -1, -1, -1]]
    jax.tree.map(np.testing.assert_array_equal, source, before[1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["state", "places"])
def test_the_distribution_is_that_of_the_model(kind: str) -> None:
    model, draft = CACHES[kind]
    count = 4000
    temperature = 0.8
    out = run(
        model,
        draft,
        jnp.tile(PROMPT[:1], (count, 1)),
        max_new_tokens=3,
        num_draft_tokens=2,
        temperature=temperature,
        top_k=4,
        rng_key=jax.random.key(1),
    )

    def one(table: Any, *at: int) -> np.ndarray:
        z = np.asarray(table.logits[at], np.float64) / temperature
        return softmax(np.where(z < np.sort(z)[-4], -np.inf, z))

    def joint(table: Any) -> np.ndarray:
        return np.stack(
            [
                one(table, 2, 3)[c]
                * pairs(one(table, 3, c), np.stack([one(table, c, d) for d in range(V)]))
                for c in range(V)
            ]
        )

    tokens = np.asarray(out.tokens)
    assert chi_square(tokens, joint(model)) < 1
    mixed = 0.5 * joint(model) + 0.5 * joint(draft)
    assert chi_square(tokens, mixed) > 1
    rate = out.num_accepted.sum() / out.num_drafted.sum()
    assert 0.2 < rate < 0.9


@pytest.mark.slow
def test_a_perfect_draft_is_always_accepted() -> None:
    model, _ = CACHES["places"]
    out = run(model, model, PROMPT, rng_key=jax.random.key(2), top_p=0.9)
    assert (
        out.num_accepted.tolist() == out.num_drafted.tolist() == [5, 5, 5]
    )  # 3 and one, 2 and one
    for row in range(3):
        before, last = PROMPT[row, 1:].tolist()
        for token, found in zip(out.tokens[row].tolist(), out.log_probs[row], strict=True):
            expected = np.log(model.probabilities(before, last)[token])
            np.testing.assert_allclose(found, expected, rtol=1e-5)
            before, last = last, token


@pytest.mark.slow
def test_temperature_may_be_zero_in_some_rows() -> None:
    model, draft = CACHES["places"]
    out = run(
        model,
        draft,
        PROMPT,
        temperature=jnp.array([0.0, 1.5, 0.0]),
        rng_key=jax.random.key(3),
    )
    alone = generation.generate(model, PROMPT, max_new_tokens=N)
    np.testing.assert_array_equal(out.tokens[::2], alone.tokens[::2])


@pytest.mark.slow
def test_recurrent_models() -> None:
    model, draft = Recurrent(V, 4), Recurrent(V, 2)
    alone = generation.generate(model, PROMPT, max_new_tokens=N, lengths=LENGTHS)
    out = run(model, draft, PROMPT, lengths=LENGTHS)
    np.testing.assert_array_equal(out.tokens, alone.tokens)


@pytest.mark.slow
def test_rows_without_a_distribution_end() -> None:
    model, draft = CACHES["places"]
    bad = model.replace(logits=model.logits.at[3, 1].set(jnp.nan))
    out, alone = (
        run(bad, draft, PROMPT),
        generation.generate(bad, PROMPT, max_new_tokens=N),
    )
    assert alone.lengths.min() < N
    for found, expected in zip(out[:3], alone[:3], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
def test_a_draft_without_numbers_is_not_listened_to() -> None:
    model, draft = CACHES["places"]
    broken = draft.replace(logits=jnp.full_like(draft.logits, jnp.nan))
    for key in (None, jax.random.key(4)):
        out = run(model, broken, PROMPT, rng_key=key)
        assert not out.num_accepted.any()
        assert (out.lengths == N).all()
        assert not jnp.isnan(out.log_probs).any()
    out = run(model, broken, PROMPT)
    np.testing.assert_array_equal(
        out.tokens, generation.generate(model, PROMPT, max_new_tokens=N).tokens
    )


@pytest.mark.slow
def test_everything_may_be_traced() -> None:
    numbers = {"temperature": 0.8, "top_k": 3, "top_p": 0.9, "min_p": 0.1}

    @jax.jit
    def traced(models: Any, prompt: Any, lengths: Any, key: Any, numbers: Any) -> Any:
        return run(*models, prompt, lengths=lengths, rng_key=key, **numbers)

    models, key = CACHES["places"], jax.random.key(5)
    found = traced(models, PROMPT, LENGTHS, key, numbers)
    expected = run(*models, PROMPT, lengths=LENGTHS, rng_key=key, **numbers)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
