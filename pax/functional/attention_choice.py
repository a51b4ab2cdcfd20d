"""Which implementation of attention is taken, and why."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pax._core import ArgumentError, cuda_capability
from pax.functional.attention_options import Extras, Rule
from pax.functional.attention_tiles import CHUNK

IMPLEMENTATIONS = ("quadratic", "chunked", "cudnn")

#: Scores that take more bytes are made in chunks. On CPUs chunks are as fast at this size, and
#: more than twice as fast at four times it. Elsewhere only memory counts: large products are what
#: those devices are made for, and no time is measured there.
LIMIT_ON_CPU = 8_000_000
LIMIT_ELSEWHERE = 500_000_000


class AttentionChoice(NamedTuple):
    """An implementation of attention and why it is taken; it prints as one line.

    Args:
        implementation: "quadratic", "chunked" or "cudnn".
        reason: why.
    Example:
        >>> print(pax.functional.AttentionChoice("chunked", "asked for"))
        chunked: asked for
    """

    implementation: str
    reason: str

    def __str__(self) -> str:
        return f"{self.implementation}: {self.reason}"


class Problem(NamedTuple):
    """What the choice depends on, the device that JAX computes on by default included."""

    query: tuple[int, ...]
    key: tuple[int, ...]
    value: tuple[int, ...]
    dtype: np.dtype
    options: tuple[str, ...]  # names of those in use, but for is_causal and scale
    is_causal: bool
    platform: str
    capability: tuple[int, int] | None


def here(query: Any, key: Any, value: Any, extras: Extras, rule: Rule) -> Problem:
    """Returns the problem that arrays, or shapes with dtypes, are on this machine."""
    shapes = (query.shape, key.shape, value.shape)
    dtypes = {query.dtype, key.dtype, value.dtype}
    dtype = query.dtype if len(dtypes) == 1 else np.dtype(jnp.result_type(*dtypes))
    options = (*rule.in_use(), *extras.given())
    return Problem(
        *shapes, dtype, options, rule.is_causal, jax.default_backend(), cuda_capability()
    )


@functools.lru_cache(maxsize=1024)  # eager calls ask again and again
def choose(problem: Problem, implementation: str | None) -> AttentionChoice:
    """Returns what is taken; `implementation` is refused where it cannot run."""
    if implementation not in (None, *IMPLEMENTATIONS):
        raise ArgumentError(
            f"dot_product_attention got implementation={implementation!r}; expected None, "
            "'quadratic', 'chunked' or 'cudnn'.",
            "leave it None; pax.functional.attention_implementation(...) says what that takes.",
        )
    obstacle = _obstacle_to_cudnn(problem)
    if implementation == "cudnn" and obstacle:
        raise ArgumentError(
            f"dot_product_attention got implementation='cudnn', but {obstacle}.",
            "leave it None: the kernel is taken wherever it applies.",
        )
    if implementation is not None:
        return AttentionChoice(implementation, "asked for")
    if not obstacle:
        return AttentionChoice("cudnn", f"its kernel takes {problem.dtype} without mask")
    return _by_size(problem)


def _obstacle_to_cudnn(problem: Problem) -> str | None:
    """Returns why the kernel of cuDNN does not apply, None if it does.

    The conditions are those of `jax.nn.dot_product_attention`, and no mask: the kernel would hold
    it as floats of [T, S], and give a query that sees nothing the average of all values.
    """
    capability, width = problem.capability, problem.query[-1]
    if capability is None:
        return f"JAX computes on a {problem.platform} device, and it needs an NVIDIA GPU"
    if capability < (8, 0):
        return f"the GPU has compute capability {capability[0]}.{capability[1]}, and it needs 8.0"
    if problem.dtype.name not in ("float16", "bfloat16"):
        return f"the arrays are {problem.dtype}, and it takes float16 and bfloat16"
    if "mask" in problem.options:
        return "there is a mask, and it takes none; is_causal=True is none"
    others = [name for name in problem.options if name != "window"]
    if others:
        return f"it takes no {others[0]}"
    if "window" in problem.options and not problem.is_causal:
        return "it takes a window only with is_causal=True"
    if "window" in problem.options and problem.query[-3] != problem.key[-3]:
        return "it takes a window only where T equals S"
    if width != problem.value[-1]:
        return f"K is {width} and V is {problem.value[-1]}, and it takes equal widths"
    widest = 256 if capability >= (9, 0) else 128
    if width % 8 or not 0 < width <= widest:
        return f"K is {width}, and it takes multiples of 8 up to {widest}"
    if 0 in problem.query or 0 in problem.key:
        return "an array is empty"
    return None


def _by_size(problem: Problem) -> AttentionChoice:
    *lead, queries, heads, _ = problem.query
    shape = (*lead, heads, queries, problem.key[-3])
    size = math.prod(shape) * (8 if problem.dtype == np.float64 else 4)
    limit = LIMIT_ON_CPU if problem.platform == "cpu" else LIMIT_ELSEWHERE
    scores = f"scores of {' x '.join(map(str, shape))}"
    if size > limit and min(shape[-2:]) > CHUNK:
        return AttentionChoice("chunked", f"{scores} would take {_bytes(size)}")
    why = f"up to {_bytes(limit)}" if size <= limit else f"one side has at most {CHUNK} places"
    return AttentionChoice("quadratic", f"{scores} take {_bytes(size)}, {why}")


def _bytes(size: float) -> str:
    """Returns a size in three digits at most: 524 kB, 34 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    return f"{size:.{1 if size < 9.95 and unit != 'B' else 0}f} {unit}"
