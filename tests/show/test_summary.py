"""The text tree of a model."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import pax
from tests.core.samples import Box, Counter, Dense, Net, normal


def test_a_module_without_submodules_is_one_line() -> None:
    assert Dense(2, 3).summary() == "Dense(in_dim=2, out_dim=3)"
    assert Dense(2, 3, name="fc").summary() == "(fc) Dense(in_dim=2, out_dim=3)"
    assert Box(x=normal(2), n=3).summary() == "Box"


def test_branches() -> None:
    net = Box(
        name="root",
        a=Box(parts=[Dense(1, 2), jax.nn.relu, {"k": Counter()}]),
        b=(Dense(3, 4, name="last"),),
        c=None,
    )
    assert net.summary().split("\n") == [
        "(root) Box",
        "├── Box",
        "│   ├── Dense(in_dim=1, out_dim=2)",
        "│   └── Counter",
        "└── (last) Dense(in_dim=3, out_dim=4)",
    ]


def test_indents_under_the_last_branch_are_blank() -> None:
    net = Box(a=Box(b=Box(c=Dense(), d=Dense())))
    assert net.summary(return_list=True) == [
        "Box",
        "└── Box",
        "    └── Box",
        "        ├── Dense(in_dim=2, out_dim=2)",
        "        └── Dense(in_dim=2, out_dim=2)",
    ]


def test_lines_or_text() -> None:
    net = Net()
    lines = net.summary(return_list=True)
    assert isinstance(lines, list)
    assert "\n".join(lines) == net.summary()
    assert len(lines) == 5


def test_one_line_for_a_class_that_asks_for_it() -> None:
    class Norm(Box):
        _summary_as_one_line = True

    net = Box(norm=Norm(mean=Counter()), next=Dense())
    assert net.summary() == "Box\n├── Norm\n└── Dense(in_dim=2, out_dim=2)"


def test_a_summary_of_its_own_is_shown_in_that_of_the_parent() -> None:
    class Custom(Box):
        def summary(self, return_list: bool = False) -> str | list[str]:
            return ["mine", "  more"] if return_list else "mine\n  more"

    assert Box(a=Custom(), b=Custom()).summary() == (
        "Box\n├── mine\n│     more\n└── mine\n      more"
    )


def test_the_summary_of_the_reference_page() -> None:
    net = pax.Sequential(pax.Linear(2, 32), jax.nn.relu, pax.Linear(32, 3))
    assert net.summary() == (
        "Sequential\n"
        "├── Linear(in_dim=2, out_dim=32, with_bias=True)\n"
        "├── x => relu(x)\n"
        "└── Linear(in_dim=32, out_dim=3, with_bias=True)"
    )


@pytest.mark.parametrize("layer", ["BatchNorm1D", "BatchNorm2D"])
def test_batch_norm_hides_its_averages(layer: str) -> None:
    norm = getattr(pax, layer)(3)
    assert len(norm.submodules()) == 2
    assert "\n" not in norm.summary()
    assert norm.summary() == repr(norm)


def test_a_summary_of_abstract_frozen_and_traced_modules() -> None:
    net = Net()
    assert jax.eval_shape(lambda: Net()).summary() == net.summary()
    assert pax.freeze_parameters(net).summary() == net.summary()
    seen: list[object] = []
    jax.jit(lambda net: seen.append(net.summary()))(net)
    assert seen == [net.summary()]
    assert net.map(jnp.shape).summary() == net.summary()
