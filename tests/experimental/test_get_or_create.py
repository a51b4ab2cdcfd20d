"""`get_or_create`: what it makes, what it finds, what it refuses."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.core.samples import Counter, same_leaves

X = jnp.asarray(np.random.default_rng(0).standard_normal((4, 3), np.float32))


def test_none_is_not_made_yet() -> None:
    class Net(pax.experimental.LazyModule):
        bias: Any = None

        def __init__(self) -> None:
            super().__init__()
            self.fc = None

        def __call__(self, x: jax.Array) -> jax.Array:
            fc = self.get_or_create("fc", lambda: pax.Linear(x.shape[-1], 2))
            return fc(x) + self.get_or_create("bias", lambda: jnp.ones((1, 2)))

    net, _ = pax.purecall(Net(), X)
    assert net.pytree_attributes == ("fc", "bias")


@pytest.mark.parametrize(
    "change",
    [
        pax.freeze_parameters,
        lambda norm: norm.copy(),
        lambda norm: norm.replace(name="norm"),
        lambda norm: norm.map(lambda x: x),
        lambda norm: pax.apply_mp_policy(norm, pax.Policy(jnp.float32, jnp.bfloat16, jnp.float32)),
        lambda norm: pax.Sequential(norm).apply(pax.experimental.default_mp_policy),
        lambda norm: [jnp.tanh, norm][1],
    ],
)
def test_parts_change_however_they_were_made(change: Any) -> None:
    class Net(pax.experimental.LazyModule):
        def __call__(self, x: jax.Array) -> jax.Array:
            return self.get_or_create("norm", lambda: change(pax.BatchNorm1D(3)))(x)

    net, _ = pax.purecall(Net(), X[None])
    (average,) = (
        x for path, x in jax.tree_util.tree_leaves_with_path(net)
        if jax.tree_util.keystr(path).endswith("ema_mean.averages")
    )  # fmt: skip
    # under a policy the input is rounded to the 8 bits of bfloat16
    np.testing.assert_allclose(average[0], X.mean(0, keepdims=True), rtol=0, atol=2.0**-8)


def test_a_module_from_outside_is_copied() -> None:
    outside = Counter()

    class Net(pax.experimental.LazyModule):
        def __call__(self, x: jax.Array) -> jax.Array:
            return self.get_or_create("counter", lambda: outside)(x)

    net, _ = pax.purecall(Net(), X)
    assert (int(net.counter.count), int(outside.count)) == (1, 0)


def test_what_is_there_comes_back() -> None:
    class Net(pax.experimental.LazyModule):
        def __call__(self, make: Any) -> Any:
            return self.get_or_create("part", make)

    def never() -> Any:
        raise AssertionError

    for value in (pax.Linear(2, 3), X, [X, "text"], 3):
        net = Net().set_attribute("part", value)
        assert net(never) is value


def test_a_part_that_stands_elsewhere_is_refused() -> None:
    class Net(pax.experimental.LazyModule):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = pax.Linear(3, 3)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.get_or_create("decoder", lambda: self.encoder)(x)

    with pytest.raises(pax.StructureError) as raised:
        pax.purecall(Net(), X)
    assert str(raised.value).startswith(
        "Net holds the same module at two places, `encoder` and `decoder`"
    )


class Asks(pax.experimental.LazyModule):
    """Asks for whatever it is told to."""

    size = 3

    def __call__(self, name: Any, create: Any) -> Any:
        return self.get_or_create(name, create)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "name", ["training", "name", "parameters", "get_or_create", "size", "two words", "", 3]
)
def test_names_that_are_refused(name: Any) -> None:
    with pytest.raises(pax.ArgumentError) as raised:
        pax.purecall(Asks(), name, lambda: pax.Linear(2, 3))
    assert str(raised.value) == (
        f"get_or_create of Asks got the name {name!r}; expected the name of an attribute of its "
        "own, none that every module or its class has.\n"
        "  at: model\n"
        '  fix: self.get_or_create("fc", lambda: pax.Linear(x.shape[-1], 10))'
    )


@pytest.mark.usefixtures("unchecked")
def test_what_creates_must_be_a_function_that_returns_something() -> None:
    with pytest.raises(pax.ArgumentError) as raised:
        pax.purecall(Asks(), "fc", pax.Linear(2, 3).bias)
    assert str(raised.value) == (
        "get_or_create of Asks got a value of type ArrayImpl to create `fc` by, which cannot be "
        "called.\n"
        "  at: model\n"
        '  fix: pass a function that makes it: self.get_or_create("fc", lambda: ...).'
    )
    with pytest.raises(pax.ArgumentError) as raised:
        pax.purecall(Asks(), "fc", lambda: None)
    assert str(raised.value) == (
        "the function that creates `fc` of Asks returned None.\n"
        "  at: model\n"
        "  fix: let it return what it makes."
    )


def test_an_error_while_making_leaves_the_caller_as_it_was() -> None:
    net = Asks()
    with pytest.raises(ZeroDivisionError):
        pax.purecall(net, "fc", lambda: 1 // 0)
    assert not hasattr(net, "fc")
    after, part = pax.purecall(net, "fc", lambda: pax.Linear(2, 3))
    assert same_leaves(after, part)
