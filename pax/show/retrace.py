"""Why a compiled function was compiled again."""

from __future__ import annotations

import functools
import inspect
import re
import threading
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from pax._core import ArgumentError, FlatTrees, differences, is_tracing, named_leaves, same

_MOST_LINES = 10
_MOST_LETTERS = 60

#: Global settings that JAX compiles for.
_SETTINGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_default_device",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
    "jax_debug_nans",
    "jax_debug_infs",
)

_EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "traced",
    "/jax/core/compile/backend_compile_duration": "compiled",
}


class RetraceWarning(UserWarning):
    """A compiled function was traced or compiled again; says what has changed.

    `warnings.simplefilter("error", pax.RetraceWarning)` makes it an error.
    """


def explain_retrace(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function that says what has changed whenever `fn` is traced or compiled again.

    It compares the arguments with those of the nearest earlier trace, name by name, and gives a
    `RetraceWarning`. Around a compiled function it sees all there is, also where arrays are; the
    function inside of `jax.jit` sees shapes, dtypes and static values. The first trace is none.

    Args:
        fn: a function, or what `jax.jit` or `pax.build_train_step` made of one.
    Returns:
        A function of the same arguments.
    Raises:
        ArgumentError: if `fn` cannot be called.
    Example:
        >>> import warnings
        >>> step = pax.explain_retrace(jax.jit(lambda x: x + 1))
        >>> y = step(jnp.ones((8, 3)))
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     y = step(jnp.ones((4, 3)))
        >>> print(caught[0].message)
        `<lambda>` was traced again; against its nearest earlier trace:
          x: float32[8,3] -> float32[4,3]
    """
    if not callable(fn):
        raise ArgumentError(
            f"explain_retrace got {fn!r}, which cannot be called.",
            "pass the function itself: step = pax.explain_retrace(jax.jit(step)).",
        )
    is_compiled = hasattr(fn, "lower")
    traces = _traces_of(fn)
    if is_compiled:
        _listen_to_jax()

    def run(*args: Any, **kwargs: Any) -> Any:
        tracing = is_tracing()
        if not (tracing or is_compiled):
            return fn(*args, **kwargs)
        trace = _Trace.of(fn, args, kwargs)
        if tracing:
            _tell(fn, "traced", trace, traces, is_certain=False)
            return fn(*args, **kwargs)
        before = dict(_heard.counts)
        out = fn(*args, **kwargs)
        done = [k for k in _EVENTS.values() if _heard.counts[k] > before[k]]
        if done:
            _tell(fn, done[0], trace, traces, is_certain=True)
        return out

    return functools.update_wrapper(run, fn, updated=())


class _Heard(threading.local):
    """What JAX has done so far on this thread."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(_EVENTS.values(), 0)


_heard = _Heard()


@functools.cache
def _listen_to_jax() -> None:
    def listen(event: str, duration_secs: float, **_: Any) -> None:
        del duration_secs
        if event in _EVENTS:
            _heard.counts[_EVENTS[event]] += 1

    jax.monitoring.register_event_duration_secs_listener(listen)


@dataclass(frozen=True)
class _Leaf:
    """A leaf of the arguments, without its numbers."""

    text: str  # shape and dtype of an array, "" for anything else
    place: str  # on which devices
    value: Any  # what may be static: a number, or what is no array

    @classmethod
    def of(cls, x: Any) -> _Leaf:
        is_number = isinstance(x, (bool, int, float, complex))
        try:
            aval: Any = jax.typeof(x)
        except TypeError:
            return cls("", "", x)
        shape = ",".join(map(str, aval.shape))
        weak = "weak " if aval.weak_type else ""
        return cls(f"{weak}{aval.dtype.name}[{shape}]", _place(x), x if is_number else None)

    @property
    def stand_in(self) -> Any:
        """What stands in the tree for the leaf."""
        return jax.ShapeDtypeStruct((), bool) if self.text else self.value


def _place(x: Any) -> str:
    """Returns where an array is; inside of a trace JAX does not say."""
    try:
        if not getattr(x, "committed", False):
            return "on no device in particular"
        devices = x.sharding.device_set
        return f"on {next(iter(devices))}" if len(devices) == 1 else f"as {x.sharding.spec}"
    except (AttributeError, TypeError):
        return ""


@dataclass(frozen=True)
class _Trace:
    """One call that was traced: what JAX compiled it for."""

    function: Callable[[], Any]  # a weak reference
    settings: dict[str, Any]
    keywords: frozenset[str]  # arguments that were passed by name
    structure: dict[str, Any]  # each argument, with stand-ins for leaves
    leaves: dict[str, _Leaf]

    @classmethod
    def of(cls, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Trace:
        """Describes a call before it is made, for it may use up its arguments."""
        named = jax.tree_util.tree_map(_opened, _by_name(fn, args, kwargs), is_leaf=_is_flat)
        described = {k: jax.tree_util.tree_map(_Leaf.of, x) for k, x in named.items()}
        settings = {f"jax.config.{k}": getattr(jax.config, k) for k in _SETTINGS}
        settings["mesh in use"] = jax.sharding.get_abstract_mesh()
        structure = {
            k: jax.tree_util.tree_map(lambda leaf: leaf.stand_in, x) for k, x in described.items()
        }
        leaves = {
            f"{k}.{path}".rstrip("."): leaf
            for k, x in described.items()
            for path, leaf in named_leaves(x)
        }
        return cls(weakref.ref(_target(fn)), settings, frozenset(kwargs), structure, leaves)


def _by_name(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a call by the names of the parameters."""
    try:
        return dict(inspect.signature(fn).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):  # no signature; or a wrong call, and `fn` will say so
        return {"args": args, **kwargs}


def _is_flat(x: Any) -> bool:
    return isinstance(x, FlatTrees)


def _opened(x: Any) -> Any:
    """Returns a training state or a flattener as a dict of trees, and anything else as it is."""
    return x._trees() if _is_flat(x) else x


def _target(fn: Any) -> Any:
    """Returns the function under the decorators: the object by which JAX knows it."""
    target = inspect.unwrap(fn)
    return getattr(target, "__func__", target)


#: What was traced of all functions that one piece of source made.
_by_code: weakref.WeakKeyDictionary[Any, list[_Trace]] = weakref.WeakKeyDictionary()


def _traces_of(fn: Any) -> list[_Trace]:
    target = _target(fn)
    while isinstance(target, functools.partial):
        target = target.func
    code = getattr(target, "__code__", None)
    return [] if code is None else _by_code.setdefault(code, [])


def _tell(fn: Any, done: str, trace: _Trace, traces: list[_Trace], is_certain: bool) -> None:
    """Warns of a trace if it is not the first, and notes it.

    Args:
        fn: the function.
        done: what JAX did: "traced" or "compiled".
        trace: the call.
        traces: earlier ones of this function, and of others from the same source.
        is_certain: whether JAX said so; else a trace may be that of a function around this one.
    """
    name = getattr(fn, "__name__", type(fn).__name__)
    target = _target(fn)
    own = [_changes(old, trace) for old in reversed(traces) if old.function() is target]
    lines = min(own, key=len, default=None)
    if lines is None:
        if any(not _changes(old, trace) for old in traces):
            lines = [f"`{name}` itself was made anew; make it once, outside of the loop"]
    elif not lines:
        if not is_certain:
            return
        lines = ["nothing that is seen here; were JAX's caches cleared?"]
    traces.append(trace)
    if lines is not None:
        more = len(lines) - _MOST_LINES
        shown = [*lines[:_MOST_LINES], *([f"and {more} more"] if more > 0 else [])]
        head = f"`{name}` was {done} again; against its nearest earlier trace:"
        warnings.warn("\n  ".join([head, *shown]), RetraceWarning, stacklevel=3)


def _changes(old: _Trace, new: _Trace) -> list[str]:
    """Returns what has changed between two traces, the most telling first."""
    found = [
        _line(name, str(old.settings[name]), str(value))
        for name, value in new.settings.items()
        if value != old.settings[name]
    ]
    for name in {**old.structure, **new.structure}:
        if name not in old.structure or name not in new.structure:
            found.append(_line(name, _given(old, name), _given(new, name)))
            continue
        unlike = differences(old.structure[name], new.structure[name], name)
        found += [_line(*difference) for difference in unlike]
        how = ["by name" if name in trace.keywords else "by position" for trace in (old, new)]
        found += [_line(name, *how)] if how[0] != how[1] else []
    both = [(path, old.leaves[path], x) for path, x in new.leaves.items() if path in old.leaves]
    unlike = [(p, repr(a.value), repr(b.value)) for p, a, b in both if not same(a.value, b.value)]
    texts = [(p, a.text or repr(a.value), b.text or repr(b.value)) for p, a, b in both]
    numbers = {path for path, a, b in both if a.text or b.text}
    found += [_line(*x) for x in unlike if x[0] not in numbers]
    found += [_line(p, a, b) for p, a, b in texts if p in numbers and a != b]
    found += [
        _line(path, a.place, b.place)
        for path, a, b in both
        if a.text == b.text and a.place != b.place
    ]
    # a number is an array to JAX, and its value no reason, unless the argument is static
    return found or [_line(path, f"static {a}", b) for path, a, b in unlike]


def _given(trace: _Trace, name: str) -> str:
    if name not in trace.structure:
        return "left out"
    leaf = trace.leaves.get(name)
    return "given" if leaf is None or leaf.value is None else repr(leaf.value)


def _line(path: str, left: str, right: str) -> str:
    left, right = (re.sub(r" at 0x[0-9a-f]+", "", text) for text in (left, right))
    if left == right:
        return f"{path}: {_short(left)} -> another object of the same name"
    return f"{path}: {_short(left)} -> {_short(right)}"


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 3]}..."
