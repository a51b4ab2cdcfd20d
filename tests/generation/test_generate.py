"""Generated tokens against plain loops, and how they are spread over many draws."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import generation
from pax.generation.interface import check_room
from pax.generation.sampling import Sampling, filtered
from tests.contracts.case import optimization
from tests.counting import count_compilations
from tests.generation.models import Recurrent, Sourced, Table, chi_square, pairs, softmax

V, N = 5, 6
MODEL = Table(V)
PROMPT = jnp.array([[1, 2, 3], [2, 4, 0]], jnp.int32)
KEY = jax.random.key(0)
generate = functools.partial(generation.generate, MODEL, PROMPT, max_new_tokens=N)


def greedy(tokens: list[int], steps: int, stop: int | None = None) -> tuple[list[int], list[float]]:
    """Returns the likeliest tokens of the table, one after the other, and their log probability."""
    tokens, found, log_probs = [0, *tokens], [], []
    while len(found) < steps and (stop is None or stop not in found):
        probs = MODEL.probabilities(*tokens[-2:])
        found.append(int(probs.argmax()))
        log_probs.append(float(np.log(probs.max())))
        tokens.append(found[-1])
    return found, log_probs


def assert_row(out: Any, row: int, tokens: list[int], log_probs: list[float]) -> None:
    """Fails unless a row of the output holds these tokens and nothing behind them."""
    rest = N - len(tokens)
    assert out.lengths[row] == len(tokens)
    np.testing.assert_array_equal(out.tokens[row], [*tokens, *[-1] * rest])
    np.testing.assert_allclose(out.log_probs[row], [*log_probs, *[0] * rest], rtol=1e-5)


def test_the_likeliest_tokens() -> None:
    out = generate()
    assert (out.tokens.dtype, out.log_probs.dtype) == (np.int32, np.float32)
    for row in range(2):
        assert_row(out, row, *greedy(PROMPT[row].tolist(), N))
    np.testing.assert_array_equal(out.cache["before"], out.tokens[:, -2])


def test_ragged_prompts_and_stops() -> None:
    lengths = jnp.array([3, 2])
    out = generate(lengths=lengths, stop_tokens=(0, 0))
    rows = [greedy(PROMPT[row].tolist()[: lengths[row]], N, stop=0) for row in range(2)]
    assert sorted(len(tokens) for tokens, _ in rows) == [2, N]  # one stops long before the other
    for row in range(2):
        assert_row(out, row, *rows[row])
    # a row that has stopped goes no further: its cache holds what is before the last token
    np.testing.assert_array_equal(out.cache["before"], [tokens[-2] for tokens, _ in rows])


@pytest.mark.slow
def test_a_recurrent_model_goes_on_where_it_was() -> None:
    model = Recurrent(V, 3)
    out = generation.generate(model, PROMPT, max_new_tokens=3)
    tokens = jnp.concatenate([PROMPT, out.tokens], axis=1)
    logits, _ = jax.jit(model.decode)(tokens, model.make_cache(2, 9))
    np.testing.assert_array_equal(out.tokens, logits[:, 2:-1].argmax(-1))
    # the next turn of a conversation begins with the last token, which the cache does not hold
    more = generation.generate(model, out.tokens[:, -1:], max_new_tokens=3, cache=out.cache)
    whole = generation.generate(model, PROMPT, max_new_tokens=6)
    np.testing.assert_array_equal(more.tokens, whole.tokens[:, 3:])
    np.testing.assert_allclose(more.cache.hidden, whole.cache.hidden, rtol=1e-5)


def test_many_draws() -> None:
    """Every filter at once, each row with its own, against the joint distribution in NumPy."""
    count = 2000
    prompt = jnp.tile(PROMPT[:1, -2:], (2 * count, 1))
    temperature = jnp.repeat(jnp.array([0.7, 1.5]), count)
    out = generation.generate(
        MODEL,
        prompt,
        max_new_tokens=2,
        rng_key=KEY,
        temperature=temperature,
        top_k=4,
        top_p=0.95,
        min_p=0.05,
        repetition_penalty=1.4,
    )

    def one(before: int, last: int, seen: set[int], temperature: float) -> np.ndarray:
        z = np.asarray(MODEL.logits[before, last], np.float64)
        for token in seen:
            z[token] *= 1.4 if z[token] < 0 else 1 / 1.4
        z = z / temperature
        z[z < np.sort(z)[-4]] = -np.inf
        p = softmax(z)
        order = np.argsort(-p)
        z[order[np.searchsorted(np.cumsum(p[order]), 0.95) + 1 :]] = -np.inf
        p = softmax(z)
        return softmax(np.where(p < 0.05 * p.max(), -np.inf, z))

    a, b = PROMPT[0, -2:].tolist()
    joint = {
        t: pairs(one(a, b, {a, b}, t), np.stack([one(b, c, {a, b, c}, t) for c in range(V)]))
        for t in (0.7, 1.5)
    }
    tokens = np.asarray(out.tokens)
    assert chi_square(tokens[:count], joint[0.7]) < 1
    assert chi_square(tokens[count:], joint[1.5]) < 1
    assert chi_square(tokens[:count], (joint[1.5] + 0.01) / (1 + 0.01 * V**2)) > 3


def test_one_program_whatever_the_numbers_are() -> None:
    calls: list[Any] = []
    numbers: Any = {
        "rng_key": KEY,
        "top_k": 3,
        "top_p": 0.9,
        "min_p": 0.1,
        "on_token": calls.append,
    }
    generate(temperature=1.0, repetition_penalty=1.1, **numbers)
    traces = next(Table.traces)
    with count_compilations() as compilations:
        for temperature in (0.0, 0.3, 2):
            more = numbers | {"top_k": 2, "top_p": 1, "min_p": 0, "on_token": print}
            out = generate(temperature=temperature, repetition_penalty=2, **more)
            if temperature == 0.0:
                np.testing.assert_array_equal(out.tokens, generate(repetition_penalty=2.0).tokens)
    # the greedy program with a penalty is one more: decode is traced for the prompt and a step
    assert next(Table.traces) == traces + 1 + 2
    assert compilations.count <= 3
    assert len(calls) == N


def test_tokens_are_streamed_in_order() -> None:
    heard: list[list[int]] = []
    out = generate(stop_tokens=0, on_token=lambda tokens: heard.append(tokens.tolist()))
    steps = int(out.lengths.max())
    assert steps < N  # the loop ends once all rows have stopped
    np.testing.assert_array_equal(np.transpose(heard), out.tokens[:, :steps])


@pytest.mark.slow
def test_streaming_inside_jit() -> None:
    heard: list[list[int]] = []

    def run(model: Table, prompt: jax.Array) -> Any:
        listen = lambda tokens: heard.append(tokens.tolist())  # noqa: E731
        return generation.generate(model, prompt, max_new_tokens=N, on_token=listen)

    out = jax.jit(run)(MODEL, PROMPT)
    jax.effects_barrier()
    np.testing.assert_array_equal(np.transpose(heard), out.tokens)
    np.testing.assert_array_equal(out.tokens, generate().tokens)


class Rising(pax.Module):
    """Allows tokens that are not below the last one; `least` where there is none."""

    def __init__(self, least: int) -> None:
        super().__init__()
        self.least = jnp.asarray(least, jnp.int32)

    def __call__(self, tokens: jax.Array, lengths: jax.Array) -> jax.Array:
        last = jnp.take_along_axis(tokens, jnp.maximum(lengths - 1, 0)[:, None], axis=1)
        last = jnp.where(lengths[:, None] > 0, last, self.least)
        return jnp.arange(V)[None, :] >= last


def test_constrained_tokens() -> None:
    out = generate(allowed=Rising(1))
    for row, tokens in enumerate(np.asarray(out.tokens)):
        before, last = PROMPT[row, 1:].tolist()
        least = 1
        for token in tokens:
            least += int(MODEL.probabilities(before, last)[least:].argmax())
            assert token == least
            before, last = last, least
    traces = next(Table.traces)
    assert generate(allowed=Rising(3)).tokens.min() >= 3
    assert next(Table.traces) == traces + 1  # other arrays, the same program
    assert generate(allowed=Rising(3), rng_key=KEY, temperature=5.0).tokens.min() >= 3


def test_rows_without_a_distribution_end() -> None:
    bad = MODEL.replace(logits=MODEL.logits.at[3, 1].set(jnp.nan).at[2, 3].set(jnp.inf))
    out = generation.generate(bad, PROMPT[:, 1:], max_new_tokens=N)
    np.testing.assert_array_equal(out.lengths, [0, 4])  # the other one goes over 1, 1, 3, 1
    places = np.arange(N)[None]
    np.testing.assert_array_equal(np.isnan(out.log_probs), places == out.lengths[:, None])
    np.testing.assert_array_equal(out.tokens < 0, places >= out.lengths[:, None])
    np.testing.assert_array_equal(out.log_probs[0, 1:], 0)
    none = generate(
        allowed=lambda tokens, lengths: jnp.arange(V)[None, :] >= 2 * V * lengths[:, None]
    )
    np.testing.assert_array_equal(none.lengths, 1)
    np.testing.assert_array_equal(
        np.isnan(none.log_probs), np.arange(N)[None] == np.array([[1], [1]])
    )


@pytest.mark.slow
def test_lengths_that_cannot_be_end_their_rows_inside_jit() -> None:
    """A table, unlike `pax.Embed`, knows some token for every index."""
    prompt = jnp.tile(PROMPT[:1], (4, 1))
    run = jax.jit(lambda n: generation.generate(MODEL, prompt, max_new_tokens=2, lengths=n)[:3])
    tokens, lengths, log_probs = run(jnp.array([3, 0, 4, -1]))
    assert lengths.tolist() == [2, 0, 0, 0]
    assert (tokens[1:] == -1).all()
    assert jnp.isnan(log_probs[:, 0]).tolist() == [False, True, True, True]


def test_a_source_needs_no_room_for_tokens() -> None:
    """Nor is a cache of another batch too small: the model refuses it."""
    model = Sourced(V)
    check_room("generate", model, model.make_cache(2, 64), PROMPT, None, 20)
    check_room("generate", model, model.make_cache(3, 4), PROMPT, None, 20)
    with pytest.raises(pax.ArgumentError, match=r"room for 4 tokens of a row; .* may be 22"):
        check_room("generate", model, model.make_cache(2, 4), PROMPT, None, 20)


def test_a_tiny_temperature_leaves_the_largest_logit() -> None:
    logits = 1e10 * jax.random.normal(KEY, (3, 7))
    left = filtered(logits, Sampling(temperature=jnp.asarray(1e-35)), None)
    is_largest = jnp.arange(7)[None] == logits.argmax(axis=1)[:, None]
    np.testing.assert_array_equal(left, jnp.where(is_largest, 0, -jnp.inf))


def test_an_empty_batch() -> None:
    out = generation.generate(MODEL, PROMPT[:0], max_new_tokens=2)
    assert out.tokens.shape == (0, 2)


@pytest.mark.slow
def test_everything_may_be_traced() -> None:
    numbers = {
        "temperature": 0.8,
        "top_k": 3,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
    }

    @jax.jit
    def run(model: Table, prompt: Any, lengths: Any, key: Any, numbers: Any) -> Any:
        return generation.generate(
            model, prompt, max_new_tokens=N, lengths=lengths, rng_key=key, **numbers
        ).tokens

    lengths = jnp.array([2, 3])
    expected = generate(lengths=lengths, rng_key=KEY, **numbers).tokens
    np.testing.assert_array_equal(run(MODEL, PROMPT, lengths, KEY, numbers), expected)


class Tape(pax.ParameterModule):
    """A model whose cache is large: a vector for each token."""

    def __init__(self) -> None:
        super().__init__()
        self.table = jnp.asarray(np.random.default_rng(0).standard_normal((V, 64)), jnp.float32)

    def make_cache(self, batch_size: int, max_length: int) -> Any:
        return jnp.zeros((batch_size, 4096, 64)), jnp.zeros(batch_size, jnp.int32)

    def decode(self, tokens: Any, cache: Any, *, lengths: Any = None) -> Any:
        tape, length = cache
        steps = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None, :]
        count = jnp.full(len(tokens), tokens.shape[1], jnp.int32) if lengths is None else lengths
        at = jnp.where(steps < count[:, None], length[:, None] + steps, tape.shape[1])
        rows = jnp.arange(len(tokens))[:, None]
        tape = tape.at[rows, at].set(self.table[tokens], mode="drop")
        logits = tape.sum(axis=1) @ self.table.T
        return jnp.broadcast_to(logits[:, None], (*tokens.shape, V)), (tape, length + count)


@pytest.mark.slow
def test_the_cache_is_written_in_place() -> None:
    model = Tape()
    run = jax.jit(functools.partial(generation.generate, max_new_tokens=8), donate_argnames="cache")
    cache = model.make_cache(2, 4096)
    size = cache[0].nbytes
    with optimization(True):
        compiled = run.lower(model, PROMPT, cache=cache).compile()
        alone = jax.jit(functools.partial(generation.generate, max_new_tokens=8))
        memory = alone.lower(model, PROMPT).compile().memory_analysis()
    # a cache that is given away becomes the new one; one that is made is made once
    assert compiled.memory_analysis().temp_size_in_bytes < size / 4
    assert compiled.memory_analysis().alias_size_in_bytes >= size
    assert memory.temp_size_in_bytes < size / 4
    kept = generation.generate(model, PROMPT, max_new_tokens=8, cache=cache)
    given = run(model, PROMPT, cache=cache)
    np.testing.assert_array_equal(given.tokens, kept.tokens)
    assert cache[0].is_deleted()


@pytest.mark.slow
def test_the_model_is_called_in_evaluation_mode() -> None:
    class Moody(Table):
        def decode(self, tokens: Any, cache: Any, *, lengths: Any = None) -> Any:
            assert not self.training
            return super().decode(tokens, cache, lengths=lengths)

    model = Moody(V)
    assert model.training
    np.testing.assert_array_equal(
        generation.generate(model, PROMPT, max_new_tokens=N).tokens, generate().tokens
    )


@pytest.mark.slow
def test_float64() -> None:
    with jax.enable_x64(True):
        model = MODEL.replace(logits=MODEL.logits.astype(np.float64))
        out = generation.generate(model, PROMPT, max_new_tokens=N, rng_key=KEY, top_p=0.9)
        assert (out.tokens.dtype, out.log_probs.dtype) == (np.int32, np.float64)
        beams = generation.beam_search(model, PROMPT, max_new_tokens=N, num_beams=2)
        assert beams.scores.dtype == np.float64
        more = generation.speculative(model, model, PROMPT, max_new_tokens=N, rng_key=KEY)
        assert more.log_probs.dtype == np.float64
