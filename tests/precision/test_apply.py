"""Modules under a policy: what is cast, what is stored, what stays the same object."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jmp
import numpy as np
import pytest

import pax
from tests.core.samples import Box, normal
from tests.precision.probe import BF16, F16, F32, POLICY, Probe, under


def test_own_arrays_are_stored_in_the_parameter_dtype() -> None:
    probe = Probe()
    stored = under(probe, pax.Policy(BF16, F32, F32))
    for x in (stored.weight, stored.parts[0], stored.parts[1][0], stored.seen.last):
        assert x.dtype == BF16
    assert stored.inner is probe.inner
    assert stored.seen.count is probe.seen.count
    assert probe.weight.dtype == F32
    kept = under(probe)
    assert all(a is b for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(probe), strict=True))


def test_a_call_casts_and_stores_back() -> None:
    before = under(Probe())
    after, out = pax.purecall(before, normal(3, seed=9), by=np.ones(2, np.float32))
    assert after.dtypes == (BF16, BF16, BF16, F32)
    assert (out["y"].dtype, out["by"].dtype, out["count"].dtype) == (F16, F16, jnp.int32)
    assert out["inner"] == before.inner
    assert out["text"] == "t"
    assert (after.seen.last.dtype, after.parts[0].dtype) == (F32, F32)
    for name in ("weight", "untouched"):
        assert getattr(after, name) is getattr(before, name)
    assert after.parts[1][0] is before.parts[1][0]
    assert after.parts[1][1] is jax.nn.relu
    assert before.dtypes == ()
    x, weight = normal(3, seed=9).astype(BF16), before.weight.astype(BF16)
    y = x * jnp.asarray(2, BF16) * weight
    np.testing.assert_array_equal(after.seen.last, y.astype(F32))
    np.testing.assert_array_equal(out["y"], y.astype(F16))
    np.testing.assert_array_equal(after.parts[0], (before.parts[0].astype(BF16) * 2).astype(F32))
    pax.assert_structure_equal(after.replace(dtypes=()), before)


def test_every_public_method_is_under_the_policy() -> None:
    module = under(Probe())
    x = normal(3, seed=5)
    assert module.double(x).dtype == F16
    assert module.raised(x, power=2).dtype == F16
    np.testing.assert_array_equal(
        module.raised(x, power=2), (x.astype(BF16) ** 2 * module.weight.astype(BF16)).astype(F16)
    )
    assert module.hidden() == BF16  # a method that another one calls runs in the compute dtype
    assert module._hidden() == F32
    assert module.stored == F32
    assert module.double.__doc__ == "Returns twice the input."
    assert module.half(x).dtype == F32
    assert type(module).half is Probe.half


def test_keyword_arguments_come_in_the_order_of_the_call() -> None:
    class Join(pax.Module):
        def __call__(self, **parts):
            return jnp.concatenate(list(parts.values()))

    first, second = normal(2).astype(F16), normal(3, seed=1).astype(F16)
    joined = under(Join(), pax.Policy(F32, F16, F16))(b=first, a=second)
    np.testing.assert_array_equal(joined, jnp.concatenate([first, second]))


def test_class_methods_build_modules_without_a_policy() -> None:
    built = under(Probe()).build(3)
    assert type(built) is Probe
    np.testing.assert_array_equal(built.weight, normal(3, seed=3))
    assert type(type(under(Probe()))()).__name__ == "Probe"
    assert type(under(Probe()))().double(normal(3)).dtype == F32


def test_a_method_that_returns_the_module() -> None:
    module = under(Probe())
    one, [two] = module.itself()
    assert one is module
    assert two is module
    changed, (one, _) = pax.module_and_value(module.itself)()
    assert one is changed


@pytest.mark.parametrize("pick", [Probe.wider, lambda m: m.wrapped_up()[0]], ids=["self", "below"])
def test_a_copy_that_a_method_makes_keeps_policy_and_arrays(pick: Callable[..., Any]) -> None:
    module = under(Probe())
    made = module.wider() if pick is Probe.wider else pick(module)
    assert type(made) is type(module)
    assert made._pax_mp_policy == POLICY
    assert made.weight is module.weight
    assert made.untouched.dtype == F32
    assert made.double(normal(3)).dtype == F16


def test_a_module_of_another_class_that_a_method_makes_gets_the_stored_arrays() -> None:
    class Gives(Box):
        def give(self):
            return Box(same=self.x, other=self.x * 2)

    module = under(Gives(x=normal(3)))
    given = module.give()
    assert given.same is module.x
    assert given.other.dtype == BF16  # an array of another module is not cast


def test_a_copy_that_a_pure_method_makes_keeps_the_policy() -> None:
    module, x = under(Probe()), normal(3, seed=7)
    grown, out = module.grown(x)
    alone = module.grown_alone(x)
    for made in (grown, alone):
        pax.assert_structure_equal(made, module)
        assert made.weight.dtype == F32
        assert made.untouched is module.untouched
        np.testing.assert_array_equal(
            made.weight, (module.weight.astype(BF16) + x.astype(BF16)).astype(F32)
        )
    assert out.dtype == F16
    assert type(module.another()) is Probe


def test_a_copy_that_a_method_keeps_has_the_policy_too() -> None:
    module = under(Probe())
    after, _ = pax.module_and_value(module.kept)()
    inner = after.inner[0]
    assert type(inner) is type(module)
    assert inner.dtypes == ("kept",)
    assert {x.dtype for x in (inner.weight, inner.untouched, inner.parts[0])} == {F32}


def test_modules_among_the_arguments_are_not_cast() -> None:
    class Reader(pax.Module):
        def read(self, module, x):
            module.count = module.count + x.astype(F32)
            return module.count.dtype, x.dtype

    class Total(pax.StateModule):
        def __init__(self):
            super().__init__()
            self.count = normal(2)

    @pax.pure
    def run(reader, total, x):
        return reader.read(total, x), total

    total = Total()
    (count, x), after = run(under(Reader()), total, normal(2, seed=1))
    assert (count, x) == (F32, BF16)
    assert not np.array_equal(after.count, total.count)


def test_untouched_containers_stay_and_new_ones_are_stored() -> None:
    class Log(pax.StateModule):
        def __init__(self):
            super().__init__()
            self.lines: list[Any] = []
            self.blocks = [pax.Linear(2, 2)]
            self.unused: Any = "x"

        def __call__(self, x):
            self.lines.append(x)
            self.fresh = (x, {"x": x * 2})
            self.blocks.append(pax.Linear(2, 2))
            del self.unused
            return x

    log, _ = pax.purecall(under(Log()), normal(2))
    assert [x.dtype for x in jax.tree.leaves((log.lines, log.fresh))] == [F32] * 3
    assert len(log.blocks) == 2
    assert not hasattr(log, "unused")
    log, _ = pax.purecall(log.set_attribute("unused", 0), normal(2, seed=1))
    assert len(log.lines) == 2


def test_a_dict_that_jax_cannot_order_may_be_assigned() -> None:
    class Named(pax.Module):
        def __call__(self, x):
            self.names = {1: "one", "b": "two"}
            return x

    named, _ = pax.purecall(under(Named()), normal(2))
    assert named.names == {1: "one", "b": "two"}


def test_a_change_outside_pure_is_refused() -> None:
    module = under(Probe())
    with pytest.raises(pax.PurityError, match="setting `dtypes` of Probe was tried outside"):
        module(normal(3))


def test_a_change_in_an_inner_trace_is_refused() -> None:
    @pax.pure
    def run(module):
        return jax.jit(lambda x: module(x)["y"])(normal(3))

    with pytest.raises(pax.PurityError, match=r"began after `pax\.pure`"):
        run(under(Probe()))


def test_a_call_in_an_inner_trace_that_changes_nothing_is_fine() -> None:
    @pax.pure
    def run(module, x):
        return jax.jit(lambda x: module(x))(x)

    linear, x = under(pax.Linear(3, 2)), normal(1, 3)
    np.testing.assert_array_equal(run(linear, x), jax.jit(linear)(x))


def test_a_change_after_the_method_has_returned_is_refused() -> None:
    class Late(pax.StateModule):
        def __init__(self):
            super().__init__()
            self.count = normal(2)

        def add(self, x):
            self.count = self.count + x
            yield self.count

    @pax.pure
    def run(module, x):
        return list(module.add(x)), module

    with pytest.raises(pax.PurityError, match="setting `count` of Late was tried"):
        run(under(Late()), normal(2, seed=1))


def test_an_error_leaves_what_was_written_before_it() -> None:
    class Fails(pax.StateModule):
        def __init__(self):
            super().__init__()
            self.count = normal(2)

        def __call__(self, x):
            self.count = self.count + x
            raise RuntimeError("after the change")

    @pax.pure
    def run(module, x):
        with pytest.raises(RuntimeError, match="after the change"):
            module(x)
        return module

    before = under(Fails())
    after = run(before, normal(2, seed=1))
    assert after.count.dtype == F32
    assert not np.array_equal(after.count, before.count)


def test_the_path_of_an_error_is_that_of_the_module() -> None:
    net = pax.Sequential(pax.Sequential(pax.Linear(2, 3)), pax.Linear(4, 2))
    net = net.apply(lambda m: under(m))
    with pytest.raises(pax.ShapeError) as raised:
        net(normal(5, 2))
    assert raised.value.path == "model.modules.1"
    with pytest.raises(pax.ShapeError) as raised:
        net(normal(5, 3))
    assert raised.value.path == "model.modules.0.modules.0"


def test_operations_carry_the_names_of_the_modules() -> None:
    net = pax.Sequential(pax.Sequential(pax.Linear(2, 3))).apply(lambda m: under(m))
    text = jax.jit(lambda m, x: m(x)).lower(net, normal(5, 2)).as_text(debug_info=True)
    assert re.search(r"Sequential/modules\.0/modules\.0/[^/]*dot_general", text)


def test_text() -> None:
    linear = under(pax.Linear(2, 3, name="fc"))
    assert repr(linear) == "(fc) Linear(in_dim=2, out_dim=3, with_bias=True, mp_policy=FHH)"
    assert repr(under(pax.Lambda(jax.nn.relu))) == "x => relu(x) mp_policy=FHH"
    net = pax.Sequential(pax.Linear(2, 3)).apply(lambda m: under(m, pax.Policy.parse("float32")))
    assert net.summary() == (
        "Sequential(mp_policy=FFF)\n└── Linear(in_dim=2, out_dim=3, with_bias=True, mp_policy=FFF)"
    )


def test_unwrap_undoes_it() -> None:
    linear = pax.Linear(2, 3)
    wrapped = under(linear)
    assert isinstance(wrapped, pax.Linear)
    assert hasattr(wrapped, "_pax_mp_policy")
    again = pax.unwrap_mp_policy(wrapped)
    assert not hasattr(again, "_pax_mp_policy")
    assert type(again) is pax.Linear
    assert again == linear
    assert wrapped != linear
    assert under(linear) == wrapped


def test_policies_of_the_jmp_package() -> None:
    theirs = jmp.Policy(param_dtype=F32, compute_dtype=BF16, output_dtype=F16)
    a, b = under(Probe(), theirs), under(Probe(), POLICY)
    (a, x), (b, y) = (pax.purecall(m, normal(3, seed=9)) for m in (a, b))
    assert a.dtypes == b.dtypes
    assert "mp_policy=FHH" in a.summary()
    assert (x["y"].dtype, x["count"].dtype, x["text"]) == (F16, jnp.int32, "t")
    for p, q in zip((*a.seen, x["y"]), (*b.seen, y["y"]), strict=True):
        np.testing.assert_array_equal(p, q)
        assert p.dtype == q.dtype


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: under(under(pax.Linear(2, 3))),
            "Linear(in_dim=2, out_dim=3, with_bias=True, mp_policy=FHH) has a precision policy "
            "already.\n  fix: take it away first: "
            "pax.apply_mp_policy(pax.unwrap_mp_policy(module), policy).",
        ),
        (
            lambda: pax.apply_mp_policy(normal(2), POLICY),
            "apply_mp_policy got ArrayImpl; expected a module.\n  fix: pass the module first: "
            "pax.apply_mp_policy(module, mp_policy=policy).",
        ),
        (
            lambda: under(pax.Linear(2, 3), "float16"),
            "apply_mp_policy got the policy 'float16', which has no param_dtype, compute_dtype, "
            "output_dtype, cast_to_param, cast_to_compute, cast_to_output.\n  fix: pass mp_policy="
            'pax.Policy.parse("params=float32,compute=bfloat16,output=float32").',
        ),
        (
            lambda: under(pax.Linear(2, 3), pax.Policy.parse("float64")),
            "apply_mp_policy got a policy with param_dtype=float64, which JAX does not use now.\n"
            '  fix: allow it first: jax.config.update("jax_enable_x64", True).',
        ),
        (
            lambda: pax.unwrap_mp_policy(pax.Linear(2, 3)),
            "unwrap_mp_policy got Linear(in_dim=2, out_dim=3, with_bias=True), which has no "
            "precision policy.\n  fix: pass what pax.apply_mp_policy returned; for a tree: "
            'model.apply(lambda m: pax.unwrap_mp_policy(m) if hasattr(m, "_pax_mp_policy") else '
            "m).",
        ),
    ],
    ids=["twice", "no module", "text", "float64", "unwrap"],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(pax.ArgumentError) as raised:
        make()
    assert str(raised.value) == text
