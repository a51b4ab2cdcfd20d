"""Beams against all sequences there are, and against a search in NumPy."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import generation
from tests.generation.models import Recurrent, Table

V, N = 3, 4
MODEL = Table(V, scale=2.0)
PROMPT = jnp.array([[1, 2], [0, 1]], jnp.int32)


def log_probability(before: int, last: int, tokens: tuple[int, ...]) -> float:
    total = 0.0
    for token in tokens:
        total += float(np.log(MODEL.probabilities(before, last)[token]))
        before, last = last, token
    return total


def sequences(stop: int | None) -> list[tuple[int, ...]]:
    """Returns all that can come out: up to N tokens, the stop at the end alone."""
    found = {
        tokens[: tokens.index(stop) + 1] if stop in tokens else tokens
        for tokens in itertools.product(range(V), repeat=N)
    }
    return sorted(found)


SLOW = [pytest.param(penalty, marks=pytest.mark.slow) for penalty in (0.0, -0.7)]


@pytest.mark.parametrize("penalty", [1.0, *SLOW])
def test_all_beams_find_the_best_of_all(penalty: float) -> None:
    beams = generation.beam_search(
        MODEL,
        PROMPT,
        max_new_tokens=N,
        num_beams=V**N,
        length_penalty=penalty,
        stop_tokens=2,
    )
    possible = sequences(stop=2)
    for row in range(2):
        a, b = PROMPT[row].tolist()
        scores = {t: log_probability(a, b, t) / len(t) ** penalty for t in possible}
        sizes = beams.lengths[row].tolist()
        found = [tuple(t[:size]) for t, size in zip(beams.tokens[row].tolist(), sizes, strict=True)]
        rest = len(possible)
        assert sorted(found[:rest]) == possible  # in any order where scores are equal
        np.testing.assert_allclose(
            beams.scores[row, :rest], [scores[t] for t in found[:rest]], 1e-5
        )
        assert (jnp.diff(beams.scores[row, :rest]) <= 0).all()
        log_probs = [log_probability(a, b, t) for t in found[:rest]]
        np.testing.assert_allclose(beams.log_probs[row, :rest], log_probs, rtol=1e-5)
        behind = np.arange(N) >= np.array(sizes)[:, None]
        np.testing.assert_array_equal(beams.tokens[row] == -1, behind)
        # there are no more
        assert not beams.lengths[row, rest:].any()
        assert (beams.scores[row, rest:] == -np.inf).all()


def search(before: int, last: int, steps: int, beams: int, stop: int) -> list[tuple[int, ...]]:
    """Returns the best sequences as the search defines them, without its early end."""
    live: list[tuple[int, ...]] = [()]
    kept: list[tuple[int, ...]] = []

    def score(tokens: tuple[int, ...]) -> float:
        return log_probability(before, last, tokens) / len(tokens)

    for _ in range(steps):
        longer = [(*tokens, token) for tokens in live for token in range(V)]
        kept = sorted([*kept, *(t for t in longer if t[-1] == stop)], key=score)[-beams:]
        going = [t for t in longer if t[-1] != stop]
        live = sorted(going, key=lambda t: log_probability(before, last, t))[-beams:]
    return sorted([*kept, *live], key=score)[::-1][:beams]


@pytest.mark.slow
def test_few_beams() -> None:
    steps, stop = 7, 0
    lengths = jnp.array([2, 1])
    found = generation.beam_search(
        MODEL, PROMPT, max_new_tokens=steps, num_beams=2, stop_tokens=stop, lengths=lengths
    )
    for row, start in enumerate([(1, 2), (0, 0)]):
        expected = search(*start, steps, 2, stop)
        assert any(len(tokens) < steps for tokens in expected)
        for place, tokens in enumerate(expected):
            assert found.tokens[row, place].tolist() == [*tokens, *[-1] * (steps - len(tokens))]


@pytest.mark.slow
def test_one_beam_is_greedy() -> None:
    beams = generation.beam_search(MODEL, PROMPT, max_new_tokens=N, num_beams=1)
    np.testing.assert_array_equal(
        beams.tokens[:, 0], generation.generate(MODEL, PROMPT, max_new_tokens=N).tokens
    )


@pytest.mark.slow
def test_a_recurrent_state_goes_with_its_beam() -> None:
    model = Recurrent(V, 4)
    beams = generation.beam_search(model, PROMPT, max_new_tokens=N, num_beams=3)
    for place in range(3):
        tokens = jnp.concatenate([PROMPT, beams.tokens[:, place]], axis=1)
        logits, _ = model.decode(tokens, model.make_cache(2, 6))
        log_probs = jax.nn.log_softmax(logits[:, 1:-1], axis=-1)
        of_tokens = jnp.take_along_axis(log_probs, beams.tokens[:, place, :, None], axis=2)
        np.testing.assert_allclose(beams.log_probs[:, place], of_tokens.sum((1, 2)), rtol=1e-5)
    assert (jnp.diff(beams.scores, axis=1) <= 0).all()


@pytest.mark.slow
def test_logits_without_numbers_give_nothing() -> None:
    bad = MODEL.replace(logits=MODEL.logits.at[1, 2].set(jnp.nan))
    beams = generation.beam_search(bad, PROMPT, max_new_tokens=N, num_beams=2)
    assert beams.lengths.tolist()[0] == [0, 0]
    assert (beams.tokens[0] == -1).all()
    assert beams.lengths.tolist()[1] != [0, 0]


@pytest.mark.slow
def test_everything_may_be_traced() -> None:
    @jax.jit
    def run(model: Table, prompt: jax.Array, penalty: jax.Array) -> generation.Beams:
        return generation.beam_search(
            model, prompt, max_new_tokens=N, num_beams=2, length_penalty=penalty, stop_tokens=2
        )

    found = run(MODEL, PROMPT, jnp.asarray(0.5))
    expected = generation.beam_search(
        MODEL, PROMPT, max_new_tokens=N, num_beams=2, length_penalty=0.5, stop_tokens=2
    )
    np.testing.assert_array_equal(found.tokens, expected.tokens)
