"""The base classes that say at once what is trainable."""

from __future__ import annotations

import jax
import numpy as np

import pax
from tests.core.samples import Box, Counter, Dense, Net, normal, same_leaves


class Arrays(pax.ParameterModule):
    """Own arrays of every kind beside submodules of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.one = normal(2)
        self.many = [normal(3), {"n": np.arange(2.0)}]
        self.mixed = [normal(1), "static", Counter(), Dense()]
        self.below = Box(own=normal(2, seed=3), sub=Dense())
        self.size = 3


def test_own_arrays_of_a_parameter_module_are_trainable() -> None:
    module = Arrays()
    params = module.parameters()
    assert type(params) is Arrays
    assert params.one is module.one
    assert same_leaves(params.many, module.many)
    assert params.mixed[0] is module.mixed[0]
    assert params.mixed[1] == "static"
    assert params.mixed[2].count == pax.EmptyNode()
    assert same_leaves(params.mixed[3], module.mixed[3])


def test_what_is_below_answers_for_itself() -> None:
    module = Arrays()
    params = module.parameters()
    assert params.below.own == pax.EmptyNode()
    assert same_leaves(params.below.sub, module.below.sub)


def test_parameters_of_parameters_are_the_same() -> None:
    params = Arrays().parameters()
    assert params.parameters() == params


def test_a_plain_module_owns_nothing_trainable() -> None:
    net = Net()
    params = net.parameters()
    assert params.scale == pax.EmptyNode()
    assert same_leaves(params, [net.encoder, net.layers[0], net.layers[2]["last"]])
    assert (params.sizes, params.kind, params.layers[1]) == ([3, 4, 2], "net", jax.nn.relu)


def test_nothing_of_a_state_module_is_trainable_nor_under_it() -> None:
    class Store(pax.StateModule):
        def __init__(self) -> None:
            super().__init__()
            self.own = normal(2)
            self.subs = [Dense(), max]

    params = Store().parameters()
    assert jax.tree.leaves(params) == []
    assert params.own == pax.EmptyNode()
    assert params.subs[0].weight == pax.EmptyNode()
    assert params.subs[1] is max


def test_arrays_added_in_a_subclass_or_later_are_trainable_too() -> None:
    class More(Dense):
        def __init__(self) -> None:
            super().__init__()
            self.extra = normal(4)

    module = More().set_attribute("late", normal(5))
    assert {x.shape for x in jax.tree.leaves(module.parameters())} >= {(4,), (5,)}
