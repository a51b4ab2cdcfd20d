"""Lengths, episodes and directions of the recurrent layer, against each row and episode alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.sequences import (
    CELLS,
    assert_close,
    equations,
    layer,
    normal,
    random_state,
    randomized,
    stepped,
    weighted,
    with_gradients,
)

LENGTHS = np.array([3, 6, 1])
RESETS = np.array([[0, 0, 1, 0, 1, 1], [1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 1]], bool)


class Plain(pax.GRU):
    """A cell that is stepped as it is."""

    def __call__(self, state: Any, x: Any) -> Any:
        return super().__call__(state, x)


class Learned(pax.ParameterModule):
    """A cell of two layers whose initial state is learned."""

    input_layers = ("fc",)
    state_layers = ("out",)

    def __init__(self) -> None:
        super().__init__()
        self.fc = pax.Linear(3 + 4, 5)
        self.out = pax.Linear(5, 4, with_bias=False)
        self.start = normal(4)

    def initial_state(self, batch_size: int) -> Any:
        return jnp.broadcast_to(self.start, (batch_size, 4))

    def __call__(self, state: Any, x: Any) -> Any:
        state = self.out(jnp.tanh(self.fc(jnp.concatenate([x, state], -1))))
        return state, 2 * state


MAKE = {
    "split": Learned,
    "as it is": lambda: randomized(Plain(3, 4)),
    "LSTM": lambda: randomized(CELLS["LSTM"]()),
}
OVER_CELLS = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[] if name == "split" else [pytest.mark.slow])
        for name, make in MAKE.items()
    ],
)
DIRECTIONS = pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])


def state_of(cell: Any) -> Any:
    start = cell.initial_state(3)
    return jax.tree.map(lambda x: normal(*x.shape, seed=5, dtype=x.dtype), start)


def episodes(length: int, resets: Any) -> list[tuple[int, int]]:
    """Returns where the episodes of a row begin and end."""
    begins = [0, *(t for t in range(1, length) if resets[t])]
    return list(zip(begins, [*begins[1:], length], strict=True))


def one_by_one(cell: Any, x: Any, state: Any, lengths: Any, resets: Any, reverse: bool) -> Any:
    """Runs each episode of each row by itself: what the layer must equal."""
    last, outputs = [], []
    for row in range(x.shape[0]):
        carried = jax.tree.map(lambda s, row=row: s[row : row + 1], state)
        y = jnp.zeros((x.shape[1], 4), x.dtype)
        parts = episodes(lengths[row], resets[row])
        for n, (begin, end) in enumerate(reversed(parts) if reverse else parts):
            if n or (resets[row][0] and not reverse):
                carried = cell.initial_state(1)
            part = x[row : row + 1, begin:end]
            flipped = part[:, ::-1] if reverse else part
            carried, ys = stepped(cell, flipped, carried)
            y = y.at[begin:end].set((ys[:, ::-1] if reverse else ys)[0])
        last.append(carried)
        outputs.append(y)
    return jax.tree.map(lambda *xs: jnp.concatenate(xs), *last), jnp.stack(outputs)


@OVER_CELLS
@DIRECTIONS
@pytest.mark.parametrize(
    "marked",
    ["both", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("lengths", "resets"))],
)
def test_equals_each_row_and_episode_alone(make: Any, reverse: bool, marked: str) -> None:
    with jax.enable_x64(True):
        cell = make().map(lambda x: x.astype(np.float64))
        given = cell, normal(3, 6, 3, dtype=np.float64), state_of(cell)
        lengths = None if marked == "resets" else LENGTHS
        resets = None if marked == "lengths" else RESETS

        def ours(cell: Any, x: Any, state: Any) -> Any:
            return pax.RNN(cell, reverse=reverse)(x, state, lengths=lengths, resets=resets)

        def expected(cell: Any, x: Any, state: Any) -> Any:
            counts = np.full(3, 6) if lengths is None else lengths
            begins = np.zeros((3, 6), bool) if resets is None else resets
            return one_by_one(cell, x, state, counts, begins, reverse)

        assert_close(with_gradients(ours)(*given), with_gradients(expected)(*given), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_many_steps_in_blocks(reverse: bool) -> None:
    with jax.enable_x64(True):
        cell = Learned().map(lambda x: x.astype(np.float64))
        x, lengths = normal(8, 384, 3, dtype=np.float64), np.arange(1, 385, 48)
        resets = np.random.default_rng(0).random((8, 384)) < 0.1
        state = jax.tree.map(lambda s: normal(8, *s.shape[1:], dtype=s.dtype), state_of(cell))
        found = pax.RNN(cell, reverse=reverse)(x, state, lengths=lengths, resets=resets)
        expected = one_by_one(cell, x, state, lengths, resets, reverse)
        assert_close(found, expected, 1e-12)


def test_padding_is_not_seen_whatever_it_holds() -> None:
    cell, x = Learned(), normal(3, 6, 3)
    padded = jnp.where(np.arange(6)[None, :, None] < LENGTHS[:, None, None], x, np.nan)

    def run(cell: Any, x: Any, state: Any) -> Any:
        return pax.RNN(cell)(x, state, lengths=LENGTHS)

    found = with_gradients(run)(cell, padded, state_of(cell))
    for a in jax.tree.leaves(found):
        assert np.isfinite(a).all()
    assert_close(found, with_gradients(run)(cell, x, state_of(cell)), 0.0)


@pytest.mark.slow
def test_resets_in_the_padding_do_nothing() -> None:
    cell, x = Learned(), normal(3, 6, 3)
    beyond = np.arange(6)[None] >= LENGTHS[:, None]
    rnn = pax.RNN(cell, reverse=True)
    found = rnn(x, state_of(cell), lengths=LENGTHS, resets=beyond)
    assert_close(found, rnn(x, state_of(cell), lengths=LENGTHS), 1e-6)


@pytest.mark.slow
def test_time_first() -> None:
    cell, x, reverse = Learned(), normal(3, 6, 3), True
    given = {"lengths": LENGTHS, "resets": RESETS}
    state, y = pax.RNN(cell, reverse=reverse)(x, **given)
    turned = {"lengths": LENGTHS, "resets": RESETS.T}
    rnn = pax.RNN(cell, reverse=reverse, time_major=True)
    assert_close(rnn(x.swapaxes(0, 1), **turned), (state, y.swapaxes(0, 1)), 1e-6)


@pytest.mark.slow
def test_backwards_is_forwards_over_the_reversed_sequence() -> None:
    cell, x = Learned(), normal(3, 6, 3)
    state, y = pax.RNN(cell, reverse=True)(x)
    forwards, ys = pax.RNN(cell)(x[:, ::-1])
    assert_close((state, y), (forwards, ys[:, ::-1]), 1e-6)


def test_whole_rows_cost_nothing() -> None:
    """Without lengths and resets nothing is chosen in the loop; with lengths one array of state."""

    def choices(**given: Any) -> int:
        program = jax.make_jaxpr(lambda cell, x: pax.RNN(cell)(x, **given))(Learned(), x)
        names = [equation.primitive.name for inside, equation in equations(program) if inside]
        return names.count("select_n")

    x = normal(3, 6, 3)
    assert choices() == 0
    assert choices(lengths=LENGTHS) == 1
    assert choices(lengths=LENGTHS, resets=RESETS) == 2


def test_unknown_lengths_that_cannot_be_right_give_nothing_that_looks_so() -> None:
    lengths = np.array([3, 7, 0, -1, 6])
    rnn = pax.RNN(Learned(), reverse=True)
    state, y = jax.jit(lambda rnn, x, n: rnn(x, lengths=n))(rnn, normal(5, 6, 3), lengths)
    for found in (state, y):
        assert np.isnan(found[1:4]).all()
        assert np.isfinite(found[::4]).all()


class Counting(pax.Module):
    """A cell over integers, which counts the steps of each row."""

    def initial_state(self, batch_size: int) -> Any:
        return jnp.zeros(batch_size, int)

    def __call__(self, state: Any, x: Any) -> Any:
        return state + 1, (state + 1, x.sum(-1))


def test_cells_over_integers() -> None:
    x = np.arange(18).reshape(1, 6, 3).repeat(3, 0)
    state, (counts, sums) = pax.RNN(Counting())(x, lengths=LENGTHS, resets=RESETS)
    np.testing.assert_array_equal(state, [1, 6, 1])
    np.testing.assert_array_equal(
        counts, [[1, 2, 1, 0, 0, 0], [1, 2, 3, 4, 5, 6], [1, 0, 0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(sums[0], [3, 12, 21, 0, 0, 0])


class Noisy(pax.GRU):
    """A cell that drops a part of its input."""

    def __init__(self) -> None:
        super().__init__(3, 4)
        self.dropout = pax.Dropout(0.5)

    def __call__(self, state: Any, x: Any) -> Any:
        return super().__call__(state, self.dropout(x))


@pytest.mark.slow
def test_a_cell_that_changes_at_each_step() -> None:
    rnn, x = pax.RNN(Noisy()), normal(3, 6, 3)
    after, (state, y) = pax.purecall(rnn, x, lengths=LENGTHS)
    whole, (_, ys) = pax.purecall(rnn, x)
    np.testing.assert_array_equal(after.cell.dropout.rng_key, whole.cell.dropout.rng_key)
    inside = np.arange(6)[None] < LENGTHS[:, None]
    assert_close(y, jnp.where(inside[..., None], ys, 0.0), 1e-6)
    assert_close(state.hidden, y[np.arange(3), LENGTHS - 1], 1e-6)


@pytest.mark.parametrize(("batch", "time"), [(0, 3), (2, 1)])
def test_edge_shapes(batch: int, time: int) -> None:
    lengths, resets = np.full(batch, time), np.zeros((batch, time), bool)
    x, rnn = normal(batch, time, 3), pax.RNN(Learned())
    assert_close(rnn(x, lengths=lengths, resets=resets), rnn(x), 1e-6)


ZEROS = np.zeros((2, 5, 3), np.float32)


class Reads(pax.Module):
    """Calls a layer with lengths and resets."""

    def __init__(self, layer: Any, **given: Any) -> None:
        super().__init__()
        self.reader = layer
        self.given = given

    def __call__(self, x: Any, state: Any = None) -> Any:
        return self.reader(x, state, **self.given)


class Total(pax.Module):
    """A cell whose state has no rows, or whose output has none."""

    def __init__(self, rows: int | None) -> None:
        super().__init__()
        self.rows = rows

    def initial_state(self, batch_size: int) -> Any:
        return jnp.zeros(()) if self.rows is None else jnp.zeros(batch_size)

    def __call__(self, state: Any, x: Any) -> Any:
        return state, x[: self.rows]


def bad(kind: type[pax.PaxError], found: str, fix: str, cell: Any = None, **given: Any) -> Bad:
    rnn = pax.RNN(pax.GRU(3, 4) if cell is None else cell)
    return Bad(lambda: Reads(rnn, **given), kind, found, fix, (ZEROS,))


@each(
    bad(
        pax.ArgumentError,
        "RNN got lengths[1]=6 with 5 steps; expected 1 to 5.",
        "count the steps before the padding; none can be beyond the input.",
        lengths=np.array([5, 6]),
    ),
    bad(
        pax.ArgumentError,
        "RNN got lengths[0]=0 with 5 steps; expected 1 to 5.",
        "leave empty rows out, or give them length 1 and leave their output out.",
        lengths=np.array([0, 5]),
    ),
    bad(
        pax.ArgumentError,
        "RNN got lengths[1]=-1 with 5 steps; expected 1 to 5.",
        "leave empty rows out, or give them length 1 and leave their output out.",
        lengths=np.array([1, -1]),
    ),
    bad(
        pax.ShapeError,
        "RNN got lengths of shape (3,) with a batch of 2; expected (2,).",
        "give one number for each row of the batch.",
        lengths=np.array([1, 2, 3]),
    ),
    bad(
        pax.DtypeError,
        "RNN got lengths of dtype float32; expected integers.",
        "count the steps of each row: lengths = mask.sum(axis=1).",
        lengths=np.ones(2, np.float32),
    ),
    bad(
        pax.DtypeError,
        "RNN got lengths of type list; expected an array.",
        "convert it first: jnp.asarray(x).",
        lengths=[5, 4],
    ),
    bad(
        pax.DtypeError,
        "RNN got resets of dtype int32; expected truth values.",
        "True says that an episode begins at the step: resets = resets != 0.",
        resets=np.zeros((2, 5), np.int32),
    ),
    bad(
        pax.ShapeError,
        "RNN got resets of shape (5, 2); expected (2, 5), one for each step of each row.",
        "give them the first two axes of the input.",
        resets=np.zeros((5, 2), bool),
    ),
)
def test_bad_marks(bad: Bad, unchecked: None) -> None:
    with pytest.raises(bad.kind) as raised:
        bad.make()(*bad.inputs or ())
    assert str(raised.value) == f"{bad.found}\n  at: model.reader\n  fix: {bad.fix}"


@each(
    bad(
        pax.ShapeError,
        "RNN got lengths or resets and a state ShapeDtypeStruct(shape=(), dtype=float32); expected "
        "arrays with 2 rows, one for each of the batch.",
        "let initial_state of the cell return such arrays, a count as jnp.zeros(B, int).",
        Total(None),
        lengths=np.array([5, 5]),
    ),
    bad(
        pax.ShapeError,
        "Total got lengths and returned an output of shape (1, 3) from a step; expected (2, ...), "
        "a row for each of the batch.",
        "return outputs of the shape [B, ...].",
        Total(1),
        lengths=np.array([5, 5]),
    ),
)
def test_cells_without_rows(bad: Bad) -> None:
    with pytest.raises(bad.kind) as raised:
        bad.make()(*bad.inputs or ())
    assert str(raised.value) == f"{bad.found}\n  at: model.reader\n  fix: {bad.fix}"


def test_resets_need_a_state_as_the_cell_begins_with() -> None:
    rnn = pax.RNN(pax.GRU(3, 4))
    with pytest.raises(pax.ShapeError) as raised:
        rnn(normal(2, 5, 6, 3), pax.GRUState(normal(2, 6, 4)), resets=np.zeros((2, 5), bool))
    assert str(raised.value) == (
        "GRU(input_dim=3, hidden_dim=4) got resets and a state GRUState(hidden=ShapeDtypeStruct("
        "shape=(2, 6, 4), dtype=float32)), but its initial_state(2) is GRUState(hidden="
        "ShapeDtypeStruct(shape=(2, 4), dtype=float32)); expected one shape.\n"
        "  at: model\n"
        "  fix: resets need the state that initial_state gives; call it on one batch axis."
    )


@pytest.mark.slow
def test_lengths_work_over_more_batch_axes() -> None:
    cell, x = randomized(pax.GRU(3, 4)), normal(2, 5, 6, 3)
    given = random_state(cell, 2, 6)
    state, y = pax.RNN(cell)(x, given, lengths=np.array([5, 2]))
    whole, ys = layer(cell, x, given)
    assert_close((state.hidden[0], y[0]), (whole.hidden[0], ys[0]), 1e-6)
    assert_close(state.hidden[1], ys[1, 1], 1e-6)
    assert weighted(y[1, 2:]) == 0.0
