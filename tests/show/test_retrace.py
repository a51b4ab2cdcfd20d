"""What `explain_retrace` says, word for word."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import pax
from pax.show import retrace
from tests.core.samples import Box, normal

X = normal(4, 8)


@pytest.fixture(autouse=True)
def nothing_traced_before() -> None:
    """The tests share a source of functions, and making a function anew is something to say."""
    retrace._by_code.clear()


def said(call: Callable[[], Any]) -> list[str]:
    """Returns the lines of the warning that a call gives; none if it gives none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", pax.RetraceWarning)
        call()
    assert len(caught) <= 1
    return str(caught[0].message).split("\n") if caught else []


def changed(name: str, *lines: str, done: str = "traced") -> list[str]:
    head = f"`{name}` was {done} again; against its nearest earlier trace:"
    return [head, *(f"  {line}" for line in lines)]


def net(width: int = 8) -> pax.Module:
    return Box(encoder=[pax.Linear(8, 8), pax.Linear(8, width)], dropout=pax.Dropout(0.5))


def watched(**options: Any) -> Callable[..., Any]:
    """Returns a new compiled function of a model, a batch and a static argument."""

    @pax.explain_retrace
    @functools.partial(jax.jit, **options)
    def step(model: Any, batch: Any, mode: Any = "mean", *rest: Any) -> Any:
        del model, mode
        return [2 * x for x in jax.tree.leaves((batch, rest))]

    return step


def test_a_first_call_and_one_like_it_say_nothing() -> None:
    step = watched()
    assert said(lambda: step(net(), {"x": X}, None)) == []
    assert said(lambda: step(net(), {"x": X + 1}, None)) == []


def test_a_shape_deep_in_a_model() -> None:
    step = watched()
    step(net(), X, None)
    assert said(lambda: step(net(16), X, None)) == changed(
        "step",
        "model.encoder.1.out_dim: 8 -> 16",
        "model.encoder.1.weight: float32[8,8] -> float32[8,16]",
        "model.encoder.1.bias: float32[8] -> float32[16]",
    )


def test_a_static_attribute() -> None:
    step, model = watched(), net()
    step(model, X, None)
    assert said(lambda: step(model.replace(dropout=model.dropout.eval()), X, None)) == changed(
        "step", "model.dropout.training: True -> False"
    )


def test_weak_types_and_dtypes() -> None:
    step = watched()
    step(net(), {"x": jnp.float32(2.0), "y": X}, None)
    assert said(lambda: step(net(), {"x": 2.0, "y": X}, None)) == changed(
        "step", "batch.x: float32[] -> weak float32[]"
    )
    assert said(lambda: step(net(), {"x": 3.0, "y": X.astype(jnp.int32)}, None)) == changed(
        "step", "batch.y: float32[4,8] -> int32[4,8]"
    )


def test_a_static_argument() -> None:
    step = watched(static_argnames="mode")
    step(net(), X)
    assert said(lambda: step(net(), X, "sum")) == changed("step", "mode: left out -> 'sum'")
    assert said(lambda: step(net(), X, "max")) == changed("step", "mode: 'sum' -> 'max'")
    assert said(lambda: step(net(), X, mode="max")) == changed(
        "step", "mode: by position -> by name"
    )
    assert said(lambda: step(net(), X, "sum")) == []


def test_a_static_number() -> None:
    step = watched(static_argnames="mode")
    step(net(), X, 2)
    assert said(lambda: step(net(), X, 3)) == changed("step", "mode: static 2 -> 3")


def test_another_structure() -> None:
    step = watched()
    step(net(), {"x": X}, None)
    assert said(lambda: step(net(), {"x": X, "y": X}, None)) == changed(
        "step", "batch: children x -> children x, y"
    )
    assert said(lambda: step(net(), [X, X], None)) == changed("step", "batch: dict -> list")
    assert said(lambda: step(net(), X, None, X)) == changed(
        "step", "batch: list -> an array", "rest: left out -> given"
    )


def test_the_nearest_earlier_trace_is_compared_with() -> None:
    step = watched()
    for x in (X, X[:2], X[:3, :4]):
        said(lambda x=x: step(net(), {"x": x}, None))
    said(lambda: step(net(16), {"x": X}, None))
    assert said(lambda: step(net(16), {"x": X[:2]}, None)) == changed(
        "step", "batch.x: float32[4,8] -> float32[2,8]"
    )


def test_where_arrays_are() -> None:
    step = watched()
    step(net(), X, None)
    there = jax.device_put(X, jax.devices()[1])
    assert said(lambda: step(net(), there, None)) == changed(
        "step", "batch: on no device in particular -> on cpu:1", done="compiled"
    )
    mesh = jax.make_mesh((8,), ("x",), (jax.sharding.AxisType.Auto,))
    wide = jax.device_put(normal(4, 8), NamedSharding(mesh, PartitionSpec(None, "x")))
    assert said(lambda: step(net(), wide, None)) == changed(
        "step", "batch: on cpu:1 -> as P(None, 'x')"
    )


def test_a_setting_of_jax() -> None:
    step = watched()
    step(net(), X, None)
    with jax.default_matmul_precision("float32"):
        assert said(lambda: step(net(), X, None)) == changed(
            "step", "jax.config.jax_default_matmul_precision: None -> float32"
        )


def test_functions_and_classes_made_anew() -> None:
    step = watched()

    def model() -> pax.Module:
        class Net(pax.Module):
            pass

        return Box(act=pax.Lambda(lambda x: x), net=Net(), fc=pax.Linear(2, 2))

    step(model(), X, None)
    name = "test_functions_and_classes_made_anew.<locals>.model.<locals>.<lambda>"
    assert said(lambda: step(model(), X, None)) == changed(
        "step",
        f"model.act.func: {f'<function {name}>'[:57]}... -> another object of the same name",
        "model.net: Net -> another object of the same name",
    )


def test_the_function_itself_is_made_anew() -> None:
    def train(x: jax.Array) -> None:
        for _ in range(2):
            pax.explain_retrace(jax.jit(lambda x: x + 1))(x)

    anew = changed("<lambda>", "`<lambda>` itself was made anew; make it once, outside of the loop")
    assert said(lambda: train(X)) == anew

    def other(x: jax.Array) -> None:  # another shape too: another use of it, and no mistake
        for n in (1, 2):
            pax.explain_retrace(jax.jit(lambda x: x * 2))(x[n:])

    assert said(lambda: other(X)) == []


def test_caches_that_were_cleared() -> None:
    step = watched()
    model = net()
    step(model, X, None)
    step.__wrapped__.clear_cache()  # type: ignore[attr-defined]
    assert said(lambda: step(model, X, None)) == changed(
        "step", "nothing that is seen here; were JAX's caches cleared?"
    )


def test_ten_lines_and_how_many_more() -> None:
    step = watched()
    step([normal(i + 1) for i in range(13)], X, None)
    lines = said(lambda: step([normal(i + 2) for i in range(13)], X, None))
    assert lines == changed(
        "step",
        *(f"model.{i}: float32[{i + 1}] -> float32[{i + 2}]" for i in range(10)),
        "and 3 more",
    )


def test_inside_of_jit_it_sees_what_is_traced() -> None:
    @functools.partial(jax.jit, static_argnames="mode")
    @pax.explain_retrace
    def step(model: Any, x: jax.Array, mode: str = "mean") -> jax.Array:
        del mode
        return model.encoder[0](x)

    step(net(), X)
    assert said(lambda: step(net(), X)) == []
    assert said(lambda: step(net(), X[:2])) == changed("step", "x: float32[4,8] -> float32[2,8]")
    assert said(lambda: step(net(), X, mode="sum")) == changed("step", "mode: left out -> 'sum'")
    assert said(lambda: jax.grad(lambda model: step(model, X).sum(), allow_int=True)(net())) == []


def test_without_a_trace_it_is_the_function() -> None:
    double = pax.explain_retrace(lambda x: 2 * x)
    assert said(lambda: [double(n) for n in (2, 3.0, X)]) == []
    assert double(3) == 6


def loss_fn(model: Any, x: jax.Array) -> Any:
    loss = jnp.mean(model(x) ** 2)
    return loss, (loss, model)


def test_a_training_step() -> None:
    step = pax.explain_retrace(pax.build_train_step(loss_fn))
    sgd = optax.sgd(0.1)
    states = [pax.TrainState(pax.Linear(8, 2), sgd)]
    for _ in range(2):
        assert said(lambda: states.append(step(states[-1], X)[0])) == []
    assert said(lambda: states.append(step(states[-1], X[:2])[0])) == changed(
        "train_step", "inputs.0: float32[4,8] -> float32[2,8]"
    )
    model = states[-1].model.eval()
    other = states[-1].replace(model=model, optimizer=pax.optim.Optimizer(sgd, model))
    lines = said(lambda: step(other, X))
    assert lines[:2] == changed("train_step", "state.model.training: True -> False")


def test_a_loss_function_inside_of_a_step() -> None:
    step = pax.build_train_step(pax.explain_retrace(loss_fn))
    state = pax.TrainState(pax.Linear(8, 2), optax.sgd(0.1))
    state, _ = step(state, X)
    assert said(lambda: step(state, X[:2])) == changed("loss_fn", "x: float32[4,8] -> float32[2,8]")


def test_the_same_function_under_its_name() -> None:
    @jax.jit
    def step(x: jax.Array) -> jax.Array:
        """Doubles."""
        return 2 * x

    explained = pax.explain_retrace(step)
    assert (explained.__name__, explained.__doc__) == ("step", "Doubles.")
    np.testing.assert_array_equal(explained(X), 2 * X)


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_called() -> None:
    with pytest.raises(pax.ArgumentError) as error:
        pax.explain_retrace(3)  # type: ignore[arg-type]
    assert str(error.value) == (
        "explain_retrace got 3, which cannot be called.\n"
        "  fix: pass the function itself: step = pax.explain_retrace(jax.jit(step))."
    )
