"""What cannot be right is refused with the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import generation
from tests.generation.models import Table

MODEL, PROMPT = Table(5), jnp.array([[1, 2, 3], [2, 4, 0]])
LOGITS = jnp.arange(10.0).reshape(2, 5)
KEY = jax.random.key(0)


def generate(**options: Any) -> Callable[[], object]:
    given: dict[str, Any] = {"prompt": PROMPT, "max_new_tokens": 2, "model": MODEL} | options
    return lambda: generation.generate(**given)


class Deaf(pax.Module):
    """A model that cannot decode."""

    def make_cache(self, batch_size: int, max_length: int) -> Any:
        return ()


class Plain:
    """A model that is no pytree."""

    make_cache = decode = print

    def __repr__(self) -> str:
        return "Plain()"


class Wrong(Table):
    """A model that decodes to something else."""

    def __init__(self, wrong: str) -> None:
        super().__init__(5)
        self.wrong = wrong

    def decode(self, tokens: Any, cache: Any, *, lengths: Any = None) -> Any:
        logits, cache = super().decode(tokens, cache, lengths=lengths)
        return {
            "shape": lambda: (logits[:, -1], cache),
            "dtype": lambda: (logits.argmax(-1, keepdims=True), cache),
            "cache": lambda: (logits, {"before": cache["before"].astype(float)}),
        }[self.wrong]()


CASES: dict[str, tuple[Callable[[], object], str]] = {
    "no interface": (
        generate(model=pax.Linear(2, 3)),
        "generate got a Linear as model, without make_cache and decode; expected a module with "
        "both methods.\n"
        "  fix: give it make_cache(batch_size, max_length) -> cache, and "
        "decode(tokens, cache, *, lengths=None) -> (logits, cache).",
    ),
    "half of it": (
        lambda: generation.speculative(MODEL, Deaf(), PROMPT, max_new_tokens=2),
        "speculative got a Deaf as draft, without decode; expected a module with both methods.\n"
        "  fix: give it make_cache(batch_size, max_length) -> cache, and "
        "decode(tokens, cache, *, lengths=None) -> (logits, cache).",
    ),
    "no pytree": (
        lambda: generation.beam_search(Plain(), PROMPT, max_new_tokens=2, num_beams=2),
        "beam_search got model that is no pytree: Plain().\n"
        "  fix: make it a pax.Module, so that its arrays go into the compiled function as "
        "arguments.",
    ),
    "floating prompt": (
        generate(prompt=LOGITS),
        "generate got prompt of dtype float32; expected an array of integers.\n"
        "  fix: convert it first: jnp.asarray(prompt, jnp.int32).",
    ),
    "list": (
        generate(prompt=[[1, 2]]),
        "generate got prompt of type list; expected an array of integers.\n"
        "  fix: convert it first: jnp.asarray(prompt, jnp.int32).",
    ),
    "one prompt": (
        generate(prompt=PROMPT[0]),
        "generate got prompt of shape (3,); expected (B, T), T of at least 1.\n"
        "  fix: one prompt is prompt[None]; without any, begin with the token of a beginning.",
    ),
    "empty prompts": (
        generate(prompt=PROMPT[:, :0]),
        "generate got prompt of shape (2, 0); expected (B, T), T of at least 1.\n"
        "  fix: one prompt is prompt[None]; without any, begin with the token of a beginning.",
    ),
    "padding": (
        generate(prompt=PROMPT.at[1, 2].set(-1)),
        "generate got prompt with negative tokens.\n"
        "  fix: padding goes behind the tokens of a row: pass their number as lengths.",
    ),
    "padding on the left": (
        generate(prompt=PROMPT.at[1, 0].set(-1), lengths=jnp.array([3, 2])),
        "generate got prompt with negative tokens.\n"
        "  fix: padding goes behind the tokens of a row: pass their number as lengths.",
    ),
    "length of zero": (
        generate(lengths=jnp.array([3, 0])),
        "generate got lengths=[3, 0] for prompts of 3 places; expected integers from 1 to 3.\n"
        "  fix: count the tokens of each row; one without any needs the token of a beginning.",
    ),
    "length beyond": (
        generate(lengths=np.array([4, 1])),
        "generate got lengths=[4, 1] for prompts of 3 places; expected integers from 1 to 3.\n"
        "  fix: count the tokens of each row; one without any needs the token of a beginning.",
    ),
    "lengths of another batch": (
        generate(lengths=jnp.array([3])),
        "generate got lengths of shape (1,) for prompt of shape (2, 3); expected (2,).\n"
        "  fix: give the number of tokens of each row.",
    ),
    "nothing new": (
        generate(max_new_tokens=0),
        "generate got max_new_tokens=0; expected an integer of at least 1.\n"
        "  fix: set max_new_tokens to a positive integer.",
    ),
    "no beams": (
        lambda: generation.beam_search(MODEL, PROMPT, max_new_tokens=2, num_beams=0),
        "beam_search got num_beams=0; expected an integer of at least 1.\n"
        "  fix: set num_beams to a positive integer.",
    ),
    "length penalty": (
        lambda: generation.beam_search(
            MODEL, PROMPT, max_new_tokens=2, num_beams=2, length_penalty=float("nan")
        ),
        "beam_search got length_penalty=nan; expected a finite number.\n"
        "  fix: write length_penalty=1.0.",
    ),
    "no drafts": (
        lambda: generation.speculative(MODEL, MODEL, PROMPT, max_new_tokens=2, num_draft_tokens=0),
        "speculative got num_draft_tokens=0; expected an integer of at least 1.\n"
        "  fix: set num_draft_tokens to a positive integer.",
    ),
    "another vocabulary": (
        lambda: generation.speculative(MODEL, Table(4), PROMPT, max_new_tokens=2),
        "speculative got a draft of 4 tokens for a model of 5.\n"
        "  fix: both must share one vocabulary; take a draft with the tokenizer of the model.",
    ),
    "cold": (
        generate(temperature=-0.5, rng_key=KEY),
        "generate got temperature=-0.5; expected a finite number of at least 0.\n"
        "  fix: write temperature=1.0, or 0.0 for the likeliest token.",
    ),
    "no key": (
        generate(temperature=0.5),
        "generate got a temperature of 0.5 without rng_key.\n"
        "  fix: pass rng_key=jax.random.key(0), another one for each call.",
    ),
    "no key in a program": (
        lambda: jax.jit(lambda t: generate(temperature=t)())(1.0),
        "generate got a temperature that is traced without rng_key.\n"
        "  fix: pass rng_key=jax.random.key(0), another one for each call.",
    ),
    "no key for a filter": (
        generate(top_p=0.5),
        "generate got top_p without rng_key; it says which tokens are drawn.\n"
        "  fix: pass rng_key=jax.random.key(0), another one for each call.",
    ),
    "a seed": (
        generate(rng_key=0),
        "rng_key got 0; expected one random key of JAX.\n"
        "  fix: pass jax.random.key(seed), or leave it out to use the stream of "
        "pax.seed_rng_key.",
    ),
    "top_k": (
        generate(top_k=jnp.array([3, 0]), rng_key=KEY),
        "generate got top_k=[3, 0]; expected an integer of at least 1.\n  fix: write top_k=50.",
    ),
    "half a token": (
        lambda: generation.top_k(LOGITS, 0.5),
        "top_k got k=0.5; expected an integer of at least 1.\n  fix: write k=50.",
    ),
    "top_p": (
        lambda: generation.top_p(LOGITS, 0.0),
        "top_p got p=0.0; expected a number in (0, 1].\n  fix: write p=0.9.",
    ),
    "percent": (
        generate(top_p=90, rng_key=KEY),
        "generate got top_p=90; expected a number in (0, 1].\n  fix: write top_p=0.9.",
    ),
    "min_p": (
        lambda: generation.min_p(LOGITS, -0.1),
        "min_p got p=-0.1; expected a number in [0, 1].\n  fix: write p=0.1.",
    ),
    "rows": (
        lambda: generation.min_p(LOGITS, jnp.array([0.1, 0.2, 0.3])),
        "min_p got p of shape (3,); expected a number, or shape (2,).\n"
        "  fix: give one number for all rows, or one for each.",
    ),
    "penalty": (
        generate(repetition_penalty=0),
        "generate got repetition_penalty=0; expected a positive number.\n"
        "  fix: write repetition_penalty=1.2.",
    ),
    "text": (
        lambda: generation.top_p(LOGITS, "0.9"),  # type: ignore[arg-type]
        "top_p got p='0.9'; expected a number in (0, 1].\n  fix: write p=0.9.",
    ),
    "integer logits": (
        lambda: generation.top_k(PROMPT, 1),
        "top_k got logits of dtype int32; expected a floating dtype.\n"
        "  fix: convert them first: logits.astype(jnp.float32).",
    ),
    "one logit": (
        lambda: generation.top_k(jnp.array(1.0), 1),
        "top_k got logits of shape (); expected [..., V], V tokens.\n"
        "  fix: put the tokens on the last axis.",
    ),
    "tokens of other rows": (
        lambda: generation.repetition_penalty(LOGITS, PROMPT[0], 1.5),
        "repetition_penalty got tokens of shape (3,) for logits of rows (2,); expected the same "
        "rows.\n"
        "  fix: give the tokens of each row; pad with -1.",
    ),
    "stop token": (
        generate(stop_tokens=(2, 5)),
        "generate got stop_tokens=(2, 5) for a model of 5 tokens; expected integers from 0 to 4.\n"
        "  fix: without a token that ends, leave stop_tokens out.",
    ),
    "stop text": (
        generate(stop_tokens="end"),
        "generate got stop_tokens='end'; expected integers that are known when the function is "
        "compiled.\n"
        "  fix: write stop_tokens=(2,).",
    ),
    "mask of numbers": (
        generate(allowed=lambda tokens, lengths: LOGITS),
        "generate got a mask of float32 from allowed; expected True or False for each token.\n"
        "  fix: compare: return table[tokens] > 0.",
    ),
    "mask of another shape": (
        generate(allowed=lambda tokens, lengths: tokens > 0),
        "generate got a mask of shape (2, 2) from allowed; expected (2, 5) or (5,).\n"
        "  fix: return one row for each of the batch, or one for all.",
    ),
    "logits of one place": (
        generate(model=Wrong("shape")),
        "generate: decode of Wrong gave logits of shape (2, 5) for tokens of shape (2, 2); "
        "expected (2, 2, 'V').\n"
        "  fix: return the logits of the next token at every place.",
    ),
    "no logits": (
        generate(model=Wrong("dtype")),
        "generate: decode of Wrong gave logits of dtype int32; expected a floating dtype.\n"
        "  fix: return the logits of the next token at every place.",
    ),
    "another cache": (
        generate(model=Wrong("cache")),
        "generate: decode of Wrong gave another cache than it took, "
        "{'before': ShapeDtypeStruct(shape=(2,), dtype=float32)} for "
        "{'before': ShapeDtypeStruct(shape=(2,), dtype=int32)}.\n"
        "  fix: return a cache of the structure, shapes and dtypes of the one from make_cache.",
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CASES)
def test_the_error_is_a_lesson(name: str) -> None:
    call, message = CASES[name]
    with pytest.raises((pax.ArgumentError, pax.ShapeError, pax.DtypeError)) as caught:
        call()
    assert str(caught.value) == message


def test_an_error_of_the_callback_comes_through() -> None:
    def refuse(tokens: np.ndarray) -> None:
        raise KeyError("no more")

    with pytest.raises(Exception, match="no more"):
        jax.block_until_ready(generate(on_token=refuse)())
