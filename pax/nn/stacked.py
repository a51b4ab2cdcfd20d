"""Layers of one structure, one after the other, as one scanned program."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from pax._core import (
    ArgumentError,
    DtypeError,
    Module,
    ShapeError,
    arguments,
    assign_changed,
    call_copy,
    check_policy,
    forms,
    is_tracing,
    key_or_next,
    may_change,
    note_part,
    stack_modules,
    unstack_module,
)


class Stack(Module):
    """Calls `num_layers` layers of one structure in order, each on the output of the one before.

    The arrays of all layers are stacked along a new first axis, and `jax.lax.scan` runs over
    it: the program holds one layer however many there are, so that it is traced and compiled
    in the time of one. Averages, random keys and other state change as in a list of layers.
    State dicts are those of a list of the layers.

    Args:
        make_block: builds one layer, as `make_block()`, or `make_block(rng_key=...)` if `rng_key`
            is given. A layer returns what it takes: arrays of the same shapes and dtypes.
        num_layers: L, number of layers.
        remat: True to compute each layer again in the backward pass, as `pax.remat` does; one of
            `jax.checkpoint_policies` to keep what it says.
        rng_key: random key that is split into one for each layer; without it the layers draw
            theirs from `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if `make_block` does not build a module that can be called, or another
            argument cannot be right.
        StructureError: if the layers differ in structure.
        ShapeError: if their arrays differ in shape.
        DtypeError: if their arrays differ in dtype.
    Example:
        >>> blocks = pax.Stack(lambda: pax.Sequential(pax.Linear(4, 4), jax.nn.relu), 12)
        >>> blocks(jnp.ones((2, 4))).shape
        (2, 4)
        >>> blocks.stacked[0].weight.shape, blocks[3][0].weight.shape
        ((12, 4, 4), (4, 4))
    """

    #: One layer whose arrays have an axis more, the first, of size L.
    stacked: Module

    def __init__(
        self,
        make_block: Callable[..., Module],
        num_layers: int,
        remat: bool | Callable[..., bool] | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("Stack", num_layers=num_layers)
        if not isinstance(remat, bool):
            check_policy("Stack", remat)
        if not callable(make_block) or isinstance(make_block, Module):
            raise ArgumentError(
                f"Stack got {make_block!r} as make_block; expected a function that builds a layer.",
                "pass one: pax.Stack(lambda: Block(512), 12); for layers that you have, "
                "pax.stack(layers).",
            )
        self.num_layers = num_layers
        self.remat = remat
        self.stacked = stack_modules(_built(make_block, num_layers, rng_key), num_layers)

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layers in order.

        Args:
            x: input of the first layer: an array, or a tree of arrays.
            args: what every layer gets besides, such as a mask.
            kwargs: the same, by name.
        Returns:
            Output of the last layer, in the structure, shapes and dtypes of x.
        Raises:
            ShapeError: if a layer changes the shape or structure of what it gets.
            DtypeError: if a layer changes its dtype.
            PurityError: if a layer changes its state outside `pax.pure`.
        """
        run = _scan if is_tracing() else _loop
        y, changed = run(self, x, args, kwargs, may_change(self))
        assign_changed(self.stacked, changed)
        return y

    def make_cache(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the caches of all layers, for `decode`.

        Args:
            args: what `make_cache` of every layer gets: batch size and largest length.
            kwargs: the same, by name.
        Returns:
            One tree; its leaves are those of a layer's cache with the layers as second axis,
            [B, L, ...].
        """
        make = lambda block: block.make_cache(*args, **kwargs)  # noqa: E731
        return jax.vmap(make, out_axes=1, axis_size=self.num_layers)(self.stacked)

    def decode(self, x: Any, cache: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Calls `decode` of the layers in order, each on the output of the one before.

        Traced, it is one scan that writes into the cache in place, and reads each layer's weights
        and cache by copying them; on the CPU `stack.unstack()`, a list of layers that are called
        in turn, copies nothing, and takes longer to compile.

        Args:
            x: the next tokens, as the layers take them.
            cache: what `make_cache` or the last call returned.
            kwargs: what `decode` of every layer gets besides.
        Returns:
            The output of the last layer, and the caches.
        Raises:
            ShapeError: if a layer changes the shape of what it gets, or the cache is that of
                another number of layers.
            DtypeError: if a layer changes its dtype.
        """
        _check_cache(self, cache)
        return (_decode_in_scan if is_tracing() else _decode_in_loop)(self, x, cache, kwargs)

    def unstack(self) -> list[Any]:
        """Returns the layers as a list, each with arrays of its own."""
        return unstack_module(self.stacked, range(self.num_layers))

    def __len__(self) -> int:
        return self.num_layers

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(self.unstack())

    def __getitem__(self, index: int | slice) -> Any:
        """Returns a layer, or a `Stack` of the layers of a slice."""
        places = range(self.num_layers)[index]
        if isinstance(places, int):
            return unstack_module(self.stacked, [places])[0]
        if not places:
            raise ArgumentError(
                f"{self!r} got an empty slice, {index}.",
                "a stack has at least one layer; leave it out where there is none.",
            )
        layers = unstack_module(self.stacked, places)
        return self.replace(stacked=stack_modules(layers, len(places)), num_layers=len(places))

    def _to_saved(self) -> list[Any]:
        return self.unstack()

    def _from_saved(self, saved: list[Any]) -> Any:
        return self.replace(stacked=stack_modules(saved, self.num_layers))

    def __repr__(self) -> str:
        return self._repr({"num_layers": self.num_layers, "remat": self.remat})


def stack(layers: Sequence[Module]) -> Stack:
    """Returns a `pax.Stack` of layers that are there already.

    Args:
        layers: modules of one structure, with arrays of the same shapes and dtypes; at least one.
    Returns:
        A `Stack` whose arrays are copies; `stack(layers).unstack()` are such layers again.
    Raises:
        ArgumentError: if there is no layer, or one is no module.
        StructureError: if the layers differ in structure.
        ShapeError: if their arrays differ in shape.
        DtypeError: if their arrays differ in dtype.
    Example:
        >>> blocks = pax.stack([pax.Linear(4, 4) for _ in range(3)])
        >>> blocks, len(blocks.unstack())
        (Stack(num_layers=3), 3)
    """
    if isinstance(layers, Module) or not all(isinstance(x, Module) for x in layers) or not layers:
        raise ArgumentError(
            f"pax.stack got {layers!r}; expected a list of modules, at least one.",
            "pass the layers themselves: pax.stack([Block(512) for _ in range(12)]).",
        )
    rest = iter(layers)
    return Stack(lambda: next(rest), len(layers))


def _built(make_block: Callable[..., Any], num_layers: int, rng_key: Any) -> Iterator[Module]:
    """Yields the layers one after the other."""
    keys = None if rng_key is None else jax.random.split(key_or_next(rng_key), num_layers)
    for i in range(num_layers):
        block = make_block() if keys is None else make_block(rng_key=keys[i])
        if not isinstance(block, Module) or not callable(block):
            raise ArgumentError(
                f"Stack got a make_block that returned {block!r}; expected a module that can be "
                "called.",
                "return the layer: pax.Stack(lambda: Block(512), 12).",
            )
        yield block


def _scan(
    stack: Stack, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any], changes: bool
) -> tuple[Any, dict[int, Any]]:
    """Returns the output of the last layer, and the stacked leaves that the calls have changed."""

    def body(x: Any, block: Any) -> tuple[Any, dict[int, Any]]:
        return call_copy(_caller(stack, "*"), block, x, *args, changes=changes, **kwargs)

    if stack.remat:
        policy = None if stack.remat is True else stack.remat
        # in a scan no common subexpression undoes the recomputation, so nothing need prevent it
        body = jax.checkpoint(body, policy=policy, prevent_cse=False)  # type: ignore[assignment]
    return jax.lax.scan(body, x, stack.stacked, length=stack.num_layers)


def _loop(
    stack: Stack, x: Any, args: tuple[Any, ...], kwargs: dict[str, Any], changes: bool
) -> tuple[Any, dict[int, Any]]:
    """Does what `_scan` does where nothing is traced: JAX would compile a scan at each call."""
    rows: list[list[Any]] = []
    places: set[int] = set()
    for i in range(stack.num_layers):
        block = stack[i]
        x, changed = call_copy(_caller(stack, str(i)), block, x, *args, changes=changes, **kwargs)
        leaves = jax.tree_util.tree_leaves(block) if changes else []
        rows.append([changed.get(j, leaf) for j, leaf in enumerate(leaves)])
        places |= changed.keys()
    new = stack_modules(([row[j] for j in places] for row in rows), stack.num_layers)
    return x, dict(zip(places, new, strict=True))


def _decode_in_scan(stack: Stack, x: Any, cache: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Returns the output of the last layer, and the caches, which the scan carries."""

    def body(carry: tuple[Any, Any], block_and_index: tuple[Any, Any]) -> tuple[Any, None]:
        (x, cache), (block, i) = carry, block_and_index
        old = jax.tree_util.tree_map(partial(_layer_of, i), cache)
        y, new = _decoded(stack, "*", block, x, old, kwargs)
        return (y, jax.tree_util.tree_map(partial(_written, i), cache, old, new)), None

    layers = stack.stacked, jnp.arange(stack.num_layers, dtype=jnp.int32)
    return jax.lax.scan(body, (x, cache), layers)[0]


def _decode_in_loop(stack: Stack, x: Any, cache: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Does what `_decode_in_scan` does where nothing is traced."""
    new = []
    for i, block in enumerate(stack):
        old = jax.tree_util.tree_map(partial(_layer_of, i), cache)
        x, layer_cache = _decoded(stack, str(i), block, x, old, kwargs)
        new.append(layer_cache)
    return x, jax.tree_util.tree_map(lambda *rows: jnp.stack(rows, axis=1), *new)


def _decoded(
    stack: Stack, name: str, block: Any, x: Any, cache: Any, kwargs: dict[str, Any]
) -> tuple[Any, Any]:
    """Decodes with one layer, under this name in paths, and checks what comes out."""
    note_part(name, block)
    y, after = block.decode(x, cache, **kwargs)
    _check_kept(stack, x, y)
    # a policy of precision on the block may give the cache back in another dtype
    return y, jax.tree_util.tree_map(
        lambda new, old: new if new is old else new.astype(old.dtype), after, cache
    )


def _check_cache(stack: Stack, cache: Any) -> None:
    """Raises unless each array of a cache has an axis for the layers: one is picked by number."""
    for shape in map(jnp.shape, jax.tree_util.tree_leaves(cache)):
        if len(shape) < 2 or shape[1] != stack.num_layers:
            raise ShapeError(
                f"{stack!r} got a cache with an array of shape {shape}; expected (batch, "
                f"{stack.num_layers}, ...).",
                "pass what make_cache of this stack returned.",
            )


def _layer_of(i: Any, cache: Any) -> Any:
    return jax.lax.dynamic_index_in_dim(cache, i, axis=1, keepdims=False)


def _written(i: Any, cache: Any, old: Any, new: Any) -> Any:
    """Returns the caches with that of one layer; what it only read is not written."""
    return cache if new is old else jax.lax.dynamic_update_index_in_dim(cache, new, i, axis=1)


def _caller(stack: Stack, name: str) -> Callable[..., Any]:
    """Returns what calls one layer, under this name in paths, and checks what comes out."""

    def call(block: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        note_part(name, block)
        y = block(x, *args, **kwargs)
        _check_kept(stack, x, y)
        return y

    return call


def _check_kept(stack: Stack, x: Any, y: Any) -> None:
    """Raises unless a layer's output can be the input of the next."""
    both = [forms(x), forms(y)]
    if both[0] == both[1]:
        return
    takes, gives = map(_shown, both)
    by_shape = [jax.tree_util.tree_map(operator.attrgetter("shape"), form) for form in both]
    if by_shape[0] != by_shape[1]:
        raise ShapeError(
            f"{stack!r}: a layer turned {takes} into {gives}; all layers of a stack work on one "
            "shape.",
            "keep layers that change it outside of the stack, before or after.",
        )
    raise DtypeError(
        f"{stack!r}: a layer turned {takes} into {gives}; all layers of a stack work on one dtype.",
        f"cast the input before: x.astype({gives.split('[')[0]!r}), or the output in the layer.",
    )


def _shown(form: Any) -> str:
    """Returns a tree of shapes and dtypes as text, `float32[2, 4]`."""
    shown = jax.tree_util.tree_map(lambda a: _Text(f"{a.dtype}{list(a.shape)}"), form)
    return repr(shown)


class _Text(str):
    """A text that shows itself without quotes."""

    __repr__ = str.__str__
