"""A recurrent cell over all steps of a sequence."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.ad_checkpoint import checkpoint_name

import pax.functional as F
from pax._core import CallError, Module, ShapeError, call_copy, forms, note_part, varying_as
from pax.nn import ragged
from pax.nn.lambda_module import Lambda
from pax.nn.linear import Linear
from pax.nn.ragged import Marks

#: So many rows (steps times batch) of a sequence are one block; the memory that it takes is used
#: again by the next one. CPU time of a training step of an LSTM, 256 steps, batch 32, width 128, on
#: two cores: 64, 62, 66 and 72 ms in blocks of 512, 1,024, 2,048 and 4,096 rows (43, 45, 51 and 64
#: MB of temporary memory), 68 ms in one block (68 MB). Stepping the cell takes 104 ms.
_ROWS = 1024

# The loops are not unrolled. With 1, 2, 4 and 8 steps an iteration the same training step takes 48,
# 54, 61 and 93 ms of CPU time outside of the kernel; one of batch 8 and width 512 takes 186, 185,
# 197 and 236 ms, and a GRU 42, 42, 47 and 63 ms. Only at batch 1, width 32 do two steps save 0.3 ms
# of 0.8.

#: What is kept of a step for the backward pass: the sums that go into the gates, and the state.
#: The gates themselves are computed again from them.
_SUMS = "sums of a recurrent cell"
_KEEP_SUMS = jax.checkpoint_policies.save_only_these_names(_SUMS)


@functools.partial(jax.jit, static_argnames=("changes", "reverse"), inline=True)  # eagerly, once
def over_time(
    cell: Any,
    state: Any,
    x: Array,
    lengths: Array | None = None,
    resets: Array | None = None,
    *,
    changes: bool,
    reverse: bool = False,
) -> tuple[Any, Any, Any]:
    """Runs a cell over the steps of x, [T, B, ...].

    A cell with a parallel form, a method `over_time(state, x, inside, fresh) -> (state, ys)` with
    the marks of `ragged.Marks`, does all steps by it. A cell whose dense layers of the input can
    be split (see `_splits`) runs in blocks of steps. The products of a block with the input are
    one product, and so is the gradient of each weight; in the loop over the steps only the
    products with the state are left. Other cells are called step by step.

    Args:
        cell: the cell.
        state: the state before.
        x: the input.
        lengths: how many steps of each row count, [B]; by default all.
        resets: where a new episode begins, [T, B]; by default nowhere.
        changes: whether the cell may change.
        reverse: whether the last step comes first.
    Returns:
        The state after, all outputs [T, B, ...], and the leaves of the cell that have changed.
    """
    state = varying_as(state, cell, x, lengths, resets)
    marks = ragged.marks(x, lengths, resets, reverse)
    initial = None if resets is None else ragged.initial_state(cell, state, x.shape[1])
    if marks.inside is not None:
        x = ragged.choose(marks.inside, x, jnp.zeros_like(x))
    splits = _splits(cell, x)
    places = _changing(cell, state, x, splits) if changes else []
    changed: dict[int, Any] = {}
    if places:
        state, ys, changed = _with_changes(cell, places, state, x, marks, initial, reverse)
    elif _is_parallel(cell):
        state, ys = _in_parallel(cell, state, x, marks, reverse)
    elif splits:
        state, ys = _in_blocks(cell, state, x, marks, initial, reverse)
    else:
        step = functools.partial(_marked, functools.partial(_step, cell), initial)
        state, ys = jax.lax.scan(step, state, (x, marks), reverse=reverse)
    if lengths is not None and marks.inside is not None:
        state, ys = ragged.finished(cell, state, ys, marks.inside, lengths)
    return state, ys, changed


def _step(cell: Any, state: Any, x: Array) -> tuple[Any, Any]:
    """Does one step; raises unless the state can go into the next one."""
    note_part("cell", cell)
    out = cell(state, x)
    if not isinstance(out, tuple) or len(out) != 2:
        raise CallError(
            f"{cell!r} returned {forms(out)} from a step; expected a pair.",
            "return the state after the step and the output: return state, y.",
        )
    before, after = (forms(tree) for tree in (state, out[0]))
    if before != after:
        raise ShapeError(
            f"{cell!r} turned a state {before} into {after}; expected what it was.",
            "return a state of the structure, shapes and dtypes of the one before.",
        )
    return out


def _marked(step: Any, initial: Any, state: Any, given: tuple[Any, Marks]) -> tuple[Any, Any]:
    """Does `step(state, x)` in those rows that it is a step of; the others keep their state."""
    x, marks = given
    after, out = step(
        state if marks.fresh is None else ragged.choose(marks.fresh, initial, state), x
    )
    return (after if marks.inside is None else ragged.choose(marks.inside, after, state)), out


def _changing(cell: Any, state: Any, x: Array, splits: bool) -> list[int]:
    """Returns which leaves of a cell a step changes: its random keys, averages and the like."""
    others = {**vars(cell), **dict.fromkeys(_split_layers(cell))} if splits else vars(cell)
    if splits and not jax.tree.leaves([others[name] for name in cell.pytree_attributes]):
        return []
    places: list[int] = []

    def step(*arguments: Any) -> None:
        places.extend(call_copy(_step, *arguments, changes=True)[1])

    jax.eval_shape(step, cell, state, jax.ShapeDtypeStruct(x.shape[1:], x.dtype))
    return places


def _with_changes(
    cell: Any, places: list[int], state: Any, x: Array, marks: Marks, initial: Any, reverse: bool
) -> tuple[Any, Any, Any]:
    """Calls a cell step by step, each time as the step before has left it."""
    leaves, treedef = jax.tree.flatten(cell)

    def step(carry: Any, given: Any) -> tuple[Any, Any]:
        changed, state = carry
        copy = treedef.unflatten([changed.get(i, leaf) for i, leaf in enumerate(leaves)])

        def change(state: Any, x: Array) -> tuple[Any, Any]:
            (state, y), new = call_copy(_step, copy, state, x, changes=True)
            return state, (y, new)

        state, (y, new) = _marked(change, initial, state, given)
        return ({**changed, **new}, state), y

    first = {i: leaves[i] for i in places}
    (changed, state), ys = jax.lax.scan(step, (first, state), (x, marks), reverse=reverse)
    return state, ys, changed


def _in_blocks(
    cell: Any, state: Any, x: Array, marks: Marks, initial: Any, reverse: bool
) -> tuple[Any, Any]:
    steps, size = x.shape[0], _block_size(*x.shape[:2])
    block = _Block(cell, x.shape[-1], initial, reverse)
    if size == steps:
        return block(state, (x, marks))
    given = jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), (x, marks))
    state, ys = jax.lax.scan(block, state, given, reverse=reverse)
    return state, jax.tree.map(lambda y: y.reshape(steps, *y.shape[2:]), ys)


def _split_layers(cell: Any, kinds: tuple[str, ...] = ("input_layers", "state_layers")) -> Any:
    """Returns the layers that a cell names, those that it has, by name."""
    names = [name for kind in kinds for name in getattr(cell, kind, ())]
    return {name: layer for name in names if (layer := getattr(cell, name)) is not None}


def _splits(cell: Any, x: Array) -> bool:
    """Returns whether the dense layers of a cell can do the part of the input beforehand.

    The class that says how a step is done must also say which layers see the input, in
    `input_layers`: so a subclass with a step of its own, or a precision policy, is not taken for
    the class below it. For the same reason the layers must be called as `Linear` is.
    """
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return False
    if "input_layers" not in vars(_definer(type(cell), "__call__")):
        return False
    inputs = _split_layers(cell, ("input_layers",))
    return all(
        isinstance(layer, Linear)
        and _definer(type(layer), "__call__") is Linear
        and (name not in inputs or x.shape[-1] <= layer.weight.shape[0])
        for name, layer in _split_layers(cell).items()
    )


def _is_parallel(cell: Any) -> bool:
    """Returns whether a cell has a parallel form of its step: the class of the one has the other.

    So a subclass with a step or a first state of its own is not taken for the class below it.
    """
    names = ("over_time", "__call__", "initial_state")
    return hasattr(cell, "over_time") and len({_definer(type(cell), name) for name in names}) == 1


def _in_parallel(cell: Any, state: Any, x: Array, marks: Marks, reverse: bool) -> tuple[Any, Any]:
    """Calls the parallel form of a cell, on blocks of steps that are computed again backwards."""
    note_part("cell", cell)

    def block(state: Any, given: tuple[Array, Marks]) -> tuple[Any, Any]:
        x, marks = _backwards(given) if reverse else given
        state, ys = cell.over_time(state, x, *marks)
        return state, _backwards(ys) if reverse else ys

    steps, size = x.shape[0], _block_size(*x.shape[:2])
    if size == steps:
        return block(state, (x, marks))
    given = jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), (x, marks))
    block = jax.checkpoint(block, prevent_cse=False)  # as in `_scan`
    state, ys = jax.lax.scan(block, state, given, reverse=reverse)
    return state, jax.tree.map(lambda y: y.reshape(steps, *y.shape[2:]), ys)


def _backwards(tree: Any) -> Any:
    return jax.tree.map(lambda x: x[::-1], tree)


def _definer(cls: type[Any], name: str) -> type[Any]:
    """Returns the class whose body an attribute of a class comes from."""
    return next(base for base in cls.__mro__ if name in vars(base))


def _block_size(steps: int, batch: int) -> int:
    """Returns how many steps are one block: all, or so many that all blocks are equal."""
    most = max(_ROWS // max(batch, 1), 8)
    if steps <= most:
        return steps
    return next((n for n in range(most, most // 4, -1) if steps % n == 0), steps)


class _Block:
    """Some steps of a cell: `state, ys = block(state, (x, marks))`, x of shape [T, B, width]."""

    def __init__(self, cell: Any, width: int, initial: Any, reverse: bool) -> None:
        layers = _split_layers(cell)
        inputs = _split_layers(cell, ("input_layers",))
        self._cell = cell.replace(**dict.fromkeys(layers))
        self._inputs: dict[str, tuple[Array, Array | None]] = {}
        self._states: dict[str, tuple[Array, Array | None]] = {}
        for name, layer in layers.items():
            start = width if name in inputs else 0
            first, rest = (layer.weight[:start], None), (layer.weight[start:], layer.bias)
            if start == layer.weight.shape[0]:  # it sees x alone: all of it is done beforehand
                first, rest = (layer.weight, layer.bias), (layer.weight[start:], None)
            if name in inputs:
                self._inputs[name] = first
            self._states[name] = rest
        self._initial = initial
        self._reverse = reverse

    def __call__(self, state: Any, given: tuple[Array, Marks]) -> tuple[Any, Any]:
        x, marks = given
        sums = {name: F.linear(x, *weights) for name, weights in self._inputs.items()}
        form = jax.ShapeDtypeStruct(x.shape[1:], x.dtype)
        state, (ys, _) = _steps(
            form, self._reverse, sums, self._states, self._cell, state, self._initial, marks
        )
        return state, ys


def _scan(
    x: Any,
    reverse: bool,
    sums: Any,
    weights: Any,
    cell: Module,
    state: Any,
    initial: Any,
    marks: Marks,
    changes: Any = None,
) -> tuple[Any, Any]:
    """Runs the steps of a block.

    Args:
        x: shape and dtype of the input of one step.
        reverse: whether the last step comes first.
        sums: what the input adds to the output of each layer, shape [T, B, out_dim], by name.
        weights: the rest of each layer: rows of the weight for what comes after x, and bias; of
            layers that do not see x, all of it.
        cell: the cell without these layers.
        state: the state before.
        initial: the state that an episode begins with.
        marks: which steps count, and which begin an episode.
        changes: where the tangents of layers that do not see x come in, shaped as `sums`.
    Returns:
        The state after, and of all steps the outputs and what each layer was given after x.
    """
    width = x.shape[-1]

    def step(state: Any, given: Any) -> tuple[Any, Any]:
        sums, changes = given
        seen: dict[str, Array] = {}

        def layer(name: str, both: Array) -> Array:
            if name in seen:
                raise _not_once(cell, name)
            seen[name] = both[..., width:] if name in sums else both
            if name in sums and not seen[name].shape[-1]:
                return sums[name]
            out = F.linear(seen[name], *weights[name])
            if name in sums:
                out = sums[name] + out
            elif changes:
                out = _with_change(out, changes[name])
            return checkpoint_name(out, _SUMS)

        layers = {name: Lambda(functools.partial(layer, name)) for name in weights}
        # the layers have seen the input; nothing else of the cell may, so it is not a number
        nan = jnp.full(x.shape, jnp.nan, x.dtype)
        state, y = _step(cell.replace(**layers), state, nan)
        if seen.keys() != weights.keys():
            raise _not_once(cell, *sorted(weights.keys() - seen.keys()))
        return state, (y, seen)

    step = functools.partial(_marked, step, initial)
    # a scan cannot undo the recomputation by merging equal parts, so nothing prevents it
    step = jax.checkpoint(step, policy=_KEEP_SUMS, prevent_cse=False)
    return jax.lax.scan(step, state, ((sums, changes), marks), reverse=reverse)


_steps = jax.custom_jvp(_scan, nondiff_argnums=(0, 1))


@_steps.defjvp
def _steps_jvp(x: Any, reverse: bool, primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Differentiates the steps, so that a change of weights enters the loop as one of the sums.

    Its product with what the layers were given is one for all steps; run backwards, so is the
    gradient of the weights, which JAX would add up step by step.
    """
    sums, weights, cell, state, initial, marks, _ = primals
    d_sums, d_weights, d_cell, d_state, d_initial, *_ = tangents
    steps = jax.tree.leaves(sums)[0].shape[:1]
    changes = {
        name: varying_as(
            jnp.zeros((*steps, *x.shape[:-1], weight.shape[1]), x.dtype), sums, weights, state
        )
        for name, (weight, _) in weights.items()
        if name not in sums
    }
    out, linear = jax.linearize(
        lambda sums, changes, cell, state, initial: _scan(
            x, reverse, sums, weights, cell, state, initial, marks, changes
        ),
        *(sums, changes, cell, state, initial),
    )
    seen = out[1][1]
    moved = {name: F.linear(seen[name], *d_weights[name]) for name in weights}
    d_sums = {name: d + moved[name] for name, d in d_sums.items()}
    d_changes = {name: moved[name] for name in changes}
    return out, linear(d_sums, d_changes, d_cell, d_state, d_initial)


@jax.custom_jvp
def _with_change(x: Array, change: Array) -> Array:
    """Returns x, to whose tangent that of `change` is added."""
    return x


@_with_change.defjvp
def _with_change_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    return primals[0], tangents[0] + tangents[1]


def _not_once(cell: Any, *names: str) -> CallError:
    of_state = [name for name in names if name in getattr(cell, "state_layers", ())]
    where, on = ("state_layers", "") if of_state else ("input_layers", ", on [x, ...]")
    return CallError(
        f"{cell!r} has {', '.join(of_state or names)} in {where}, which a step must call once "
        "each, and did not.",
        f"name only layers that each step calls once{on}.",
    )
