"""Putting a module under a precision policy, and taking it away again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from pax._core import (
    ArgumentError,
    Module,
    StandIn,
    is_unit,
    map_own_arrays,
    plain_class,
    rebuilt,
    with_class,
    wrapped_class,
)
from pax.precision.policy import is_floating

M = TypeVar("M", bound=Module)

#: The attribute that holds the policy; it is static, and there only while a policy is applied.
_POLICY = "_pax_mp_policy"
_CASTS = ("cast_to_param", "cast_to_compute", "cast_to_output")
_DTYPES = ("param_dtype", "compute_dtype", "output_dtype")


def apply_mp_policy(module: M, mp_policy: Any) -> M:
    """Returns the module under a precision policy.

    Its own arrays, those in lists, tuples and dicts too but not those of its submodules, are
    stored in the parameter dtype. When `__call__` or another public method of its class is
    called, they and the arguments are cast to the compute dtype, and what comes back to the
    output dtype; state that the method assigns is stored in the parameter dtype. Modules among
    the arguments and in the output are not cast. A public method that another one calls runs in
    the compute dtype.

    Args:
        module: the module; for all modules of a tree see `Module.apply`.
        mp_policy: a `pax.Policy`, or any object with its six attributes.
    Returns:
        A new module, an instance of the same class.
    Raises:
        ArgumentError: if the module has a policy already, or `mp_policy` is none.
    Example:
        >>> policy = pax.Policy.parse("mixed_bfloat16")
        >>> print(pax.apply_mp_policy(pax.Linear(2, 3), mp_policy=policy))
        Linear(in_dim=2, out_dim=3, with_bias=True, mp_policy=FHF)
        >>> net = pax.Sequential(pax.Linear(2, 8), jax.nn.relu, pax.Linear(8, 3))
        >>> net = net.apply(lambda module: pax.apply_mp_policy(module, policy))
    """
    _check(module, mp_policy)
    stored = map_own_arrays(_caster(mp_policy, 0), module)
    attributed = rebuilt(stored, {_POLICY: mp_policy})
    return with_class(attributed, wrapped_class(type(module), _around))


def unwrap_mp_policy(module: M) -> M:
    """Returns the module without its precision policy; its arrays stay in the parameter dtype.

    Args:
        module: a module that `apply_mp_policy` returned.
    Returns:
        A new module.
    Raises:
        ArgumentError: if the module has no policy.
    Example:
        >>> half = pax.apply_mp_policy(pax.Linear(2, 3), pax.Policy.parse("bfloat16"))
        >>> pax.unwrap_mp_policy(half)(jnp.ones((1, 2), jnp.bfloat16)).dtype
        dtype(bfloat16)
    """
    if not isinstance(module, Module) or _POLICY not in module.__dict__:
        raise ArgumentError(
            f"unwrap_mp_policy got {module!r}, which has no precision policy.",
            "pass what pax.apply_mp_policy returned; for a tree: model.apply(lambda m: "
            'pax.unwrap_mp_policy(m) if hasattr(m, "_pax_mp_policy") else m).',
        )
    return with_class(module, plain_class(type(module)), without=_POLICY)


def _check(module: Any, policy: Any) -> None:
    """Raises unless the policy can be applied to the module."""
    if not isinstance(module, Module):
        raise ArgumentError(
            f"apply_mp_policy got {type(module).__name__}; expected a module.",
            "pass the module first: pax.apply_mp_policy(module, mp_policy=policy).",
        )
    missing = [name for name in (*_DTYPES, *_CASTS) if not hasattr(policy, name)]
    if missing:
        raise ArgumentError(
            f"apply_mp_policy got the policy {policy!r}, which has no {', '.join(missing)}.",
            'pass mp_policy=pax.Policy.parse("params=float32,compute=bfloat16,output=float32").',
        )
    if _POLICY in module.__dict__:
        raise ArgumentError(
            f"{module!r} has a precision policy already.",
            "take it away first: pax.apply_mp_policy(pax.unwrap_mp_policy(module), policy).",
        )
    for name in _DTYPES:
        dtype = jnp.dtype(getattr(policy, name))
        if jax.dtypes.canonicalize_dtype(dtype) != dtype:
            raise ArgumentError(
                f"apply_mp_policy got a policy with {name}={dtype}, which JAX does not use now.",
                'allow it first: jax.config.update("jax_enable_x64", True).',
            )


def _caster(policy: Any, which: int) -> Callable[[Any], Any]:
    """Returns what casts one value to a dtype of the policy; the value itself if it has it."""
    dtype, cast = jnp.dtype(getattr(policy, _DTYPES[which])), getattr(policy, _CASTS[which])
    return lambda x: cast(x) if is_floating(x) and x.dtype != dtype else x


def _around(plain: Any) -> dict[str, Any]:
    """Returns the methods that go around those of a class."""
    body: dict[str, Any] = {n: _under_policy(n, method) for n, method in _public_methods(plain)}
    body |= {name: _of_plain_class(plain, name) for name in _class_methods(plain)}

    def __repr__(self: Any) -> str:
        text, note = plain.__repr__(self), f"mp_policy={_letters(self)}"
        return text if note in text else f"{text} {note}"

    def _repr(self: Any, info: dict[str, Any] | None = None) -> str:
        return plain._repr(self, {**(info or {}), "mp_policy": _letters(self)})

    return {**body, "__repr__": __repr__, "_repr": _repr}


def _public_methods(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yields `__call__` and the public instance methods that a class adds to `Module`."""
    for name in _names(cls):
        method = _found(cls, name)
        is_bound = not isinstance(method, (staticmethod, classmethod, type))
        if is_bound and hasattr(type(method), "__get__") and callable(getattr(cls, name)):
            yield name, method


def _class_methods(cls: type[Any]) -> list[str]:
    return [name for name in _names(cls) if isinstance(_found(cls, name), classmethod)]


def _names(cls: type[Any]) -> list[str]:
    names = {n for base in cls.__mro__ if base not in Module.__mro__ for n in vars(base)}
    public = {n for n in names if not n.startswith("_") and not hasattr(Module, n)}
    return sorted(public | ({"__call__"} & names))


def _found(cls: type[Any], name: str) -> Any:
    """Returns what stands in the body of the class, or of the first base that has the name."""
    return next(vars(base)[name] for base in cls.__mro__ if name in vars(base))


def _of_plain_class(plain: type[Any], name: str) -> Any:
    """Returns a class method that gets the plain class: what it builds has no policy."""

    @functools.wraps(getattr(plain, name))
    def run(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(plain, name)(*args, **kwargs)

    return classmethod(run)


def _under_policy(name: str, method: Any) -> Callable[..., Any]:
    """Returns a method that casts what goes into a method and what comes out of it."""

    @functools.wraps(method, updated=())
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        policy = self.__dict__.get(_POLICY)
        if policy is None:  # built by `type(module)(...)`
            return method.__get__(self)(*args, **kwargs)
        enter, leave = _caster(policy, 1), _caster(policy, 2)
        args = _map(enter, args)
        kwargs = {k: _map(enter, v) for k, v in kwargs.items()}  # not one tree: JAX sorts its keys
        stand_in = StandIn(self, _POLICY, enter, _caster(policy, 0))
        try:
            out = getattr(stand_in.module, name)(*args, **kwargs)
        finally:
            stand_in.write_back()

        return _map(lambda x: stand_in.outside(x) if isinstance(x, Module) else leave(x), out)

    return run


def _map(fn: Callable[[Any], Any], tree: Any) -> Any:
    """Maps over the leaves of a tree, modules whole."""
    return jax.tree_util.tree_map(fn, tree, is_leaf=is_unit)


def _letters(module: Any) -> str:
    """Returns a letter a dtype: D for float64, F for float32, H for 16 bits, Q for fewer."""
    policy = module.__dict__.get(_POLICY)
    sizes = (np.dtype(getattr(policy, name)).itemsize for name in _DTYPES) if policy else ()
    return "".join({8: "D", 4: "F", 2: "H"}.get(size, "Q") for size in sizes)
