"""Module calls: scopes in compiled programs, paths in errors, arguments that do not fit."""

from __future__ import annotations

import dataclasses
import re
import threading
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import pax
from tests.core.samples import Apply, Box, Dense, Net, normal


def scopes(fn: Any, *args: Any) -> set[str]:
    """Returns the scopes of the operations of the compiled program of `fn`."""
    text = jax.jit(fn).lower(*args).compile().as_text()
    names = re.findall(r'op_name="jit\([^/]*\)/([^"]*)"', text)
    return {name.rpartition("/")[0] for name in names}


def call(net: Any, x: jax.Array) -> jax.Array:
    return net(x)


def chain(self: Any, x: jax.Array) -> jax.Array:
    """Calls the parts of a module one after the other."""
    for part in self.parts:
        x = part(x)
    return x


def test_scopes_carry_the_path_of_attributes() -> None:
    assert scopes(call, Net().eval(), normal(5, 3)) >= {
        "Net/encoder",
        "Net/layers.0",
        "Net/layers.2.last",
    }


def test_scopes_nest() -> None:
    block = Apply(lambda self, x: jnp.sin(self.mlp["fc1"](x)), mlp={"fc1": Dense(2, 2)})
    net = Apply(lambda self, x: self.encoder(x), encoder=Apply(chain, parts=[block]))
    assert scopes(call, net, normal(5, 2)) >= {
        "Apply/encoder/parts.0/mlp.fc1",
        "Apply/encoder/parts.0",
    }


def test_the_root_is_known_by_its_name_if_it_has_one() -> None:
    x = normal(5, 2)
    assert scopes(call, Dense(2, 2), x) == {"Dense"}
    assert scopes(call, Dense(2, 2, name="head"), x) == {"head"}
    assert scopes(call, Box(d=3).replace_method(__call__=lambda self, x: x @ x.T), x) == {"Box"}


def test_a_grandchild_called_directly_and_a_stranger() -> None:
    x = normal(5, 2)
    net = Apply(lambda self, x: self.a.b[0](x), a=Box(b=[Dense(2, 2)]))
    assert scopes(call, net, x) == {"Apply/a/b.0"}
    visitor = Apply(lambda self, other, x: other(x))
    assert scopes(lambda v, d, x: v(d, x), visitor, Dense(2, 2), x) == {"Apply/Dense"}


def test_super_call_is_no_scope_of_its_own() -> None:
    class Twice(Dense):
        def __call__(self, x):
            return super().__call__(super().__call__(x))

    assert scopes(call, Twice(2, 2), normal(5, 2)) == {"Twice"}


def test_scopes_in_pure_under_grad_and_in_scan() -> None:
    x, net = normal(5, 3), Net()
    assert "Net/encoder" in scopes(lambda net, x: net % x, net, x)
    backward = scopes(jax.grad(lambda net, x: (net % x)[1].sum(), allow_int=True), net, x)
    assert any("Net/encoder" in scope.replace("jvp(Net)", "Net") for scope in backward)

    def loop(net: Any, x: jax.Array) -> Any:
        return jax.lax.scan(lambda c, y: (c, net(y)), 0, x)

    assert any(s.endswith("/Net/encoder") for s in scopes(loop, net.eval(), normal(4, 5, 3)))


def test_eager_calls_make_no_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise AssertionError("a scope in an eager call")

    net, x = Net().eval(), normal(5, 3)
    monkeypatch.setattr(jax, "named_scope", refuse)
    assert net(x).shape == (5, 2)
    with pytest.raises(AssertionError):
        jax.jit(lambda net, x: net(x))(net, x)


def failing(path_of: Any) -> pax.ShapeError:
    with pytest.raises(pax.ShapeError) as error:
        path_of()
    return error.value


def test_an_error_of_ours_carries_the_path() -> None:
    x = normal(5, 7)
    net = Apply(chain, parts=[Apply(chain, parts=({"a": 1}["a"] and Dense(7, 2), Dense(3, 3)))])
    error = failing(lambda: net(x))
    assert str(error) == (
        "Dense(in_dim=3, out_dim=3) got 2 features.\n  at: model.parts.0.parts.1\n"
        "  fix: give it in_dim."
    )
    assert failing(lambda: jax.jit(call)(net, x)).path == "model.parts.0.parts.1"
    assert failing(lambda: net % x).path == "model.parts.0.parts.1"
    assert failing(lambda: Dense(3, 3)(x)).path == "model"


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda d: Apply(lambda self, x: self.d["k"](x), d={"k": d}), "model.d.k"),
        (lambda d: Apply(lambda self, x: self.t[1](x), t=(max, d)), "model.t.1"),
        (lambda d: Apply(lambda self, x: self.t[0]["k"][1](x), t=[{"k": (1, d)}]), "model.t.0.k.1"),
        (lambda d: Apply(lambda self, x: self.a.b.c(x), a=Box(b=Box(c=d))), "model.a.b.c"),
        (lambda d: Apply(lambda self, x: d(x)), "model.Dense"),
    ],
    ids=["dict", "tuple", "mixed", "grandchild", "stranger"],
)
def test_paths_through_every_container(build: Any, path: str) -> None:
    assert failing(lambda: build(Dense(3, 3))(normal(2, 7))).path == path


def test_a_named_stranger_goes_by_its_name() -> None:
    stranger = Dense(3, 3, name="head")
    net = Apply(lambda self, x: stranger(x))
    assert failing(lambda: net(normal(2, 7))).path == "model.head"


def test_super_call_is_no_part_of_the_path() -> None:
    class Careful(Dense):
        def __call__(self, x):
            return super().__call__(x)

    net = Apply(chain, parts=[Careful(3, 3)])
    assert failing(lambda: net(normal(2, 7))).path == "model.parts.0"


def test_another_error_gets_a_note() -> None:
    net = Apply(chain, parts=[Apply(lambda self, x: 1 / 0)])
    with pytest.raises(ZeroDivisionError) as error:
        net(3)
    assert error.value.__notes__ == ["  at: model.parts.0"]
    with pytest.raises(ZeroDivisionError) as error:
        Apply(lambda self, x: 1 / 0)(3)
    assert not hasattr(error.value, "__notes__")


def test_an_error_caught_on_the_way_leaves_no_trace() -> None:
    def forgiving(self: Any, x: Any) -> Any:
        try:
            return self.bad(x)
        except ZeroDivisionError:
            return self.good(x)

    net = Apply(forgiving, bad=Apply(lambda self, x: 1 / 0), good=Dense(3, 3))
    assert failing(lambda: net(normal(2, 7))).path == "model.good"
    assert net(normal(2, 3)).shape == (2, 3)


def test_an_error_that_passes_twice_keeps_its_first_path() -> None:
    stored: list[Exception] = []

    def first(self: Any, x: Any) -> Any:
        try:
            return self.inner(x)
        except pax.ShapeError as error:
            stored.append(error)
            raise

    net = Apply(first, inner=Dense(3, 3))
    assert failing(lambda: net(normal(2, 7))) is stored[0]
    assert stored[0].path == "model.inner"


ARGUMENTS = [
    ((), {}, "missing a required argument: 'x'"),
    ((1, 2), {}, "too many positional arguments"),
    ((1,), {"y": 2}, "got an unexpected keyword argument 'y'"),
]


@pytest.mark.parametrize(("args", "kwargs", "mismatch"), ARGUMENTS)
def test_arguments_that_do_not_fit(args: Any, kwargs: Any, mismatch: str) -> None:
    net = Apply(lambda self: self.dense(*args, **kwargs), dense=Dense(2, 3))
    with pytest.raises(pax.CallError) as error:
        net()
    assert str(error.value) == (
        f"Dense(in_dim=2, out_dim=3) was called with arguments that it does not take: {mismatch}.\n"
        "  at: model.dense\n  fix: call it as module(x)."
    )
    assert isinstance(error.value, TypeError)


def test_the_fix_shows_defaults_without_annotations() -> None:
    class Many(pax.Module):
        def __call__(self, x: jax.Array, mask: jax.Array | None = None, *, n: int = 3):
            return x

    with pytest.raises(pax.CallError, match=r"call it as module\(x, mask=None, n=3\)\.$"):
        Many()()


def test_a_type_error_from_inside_is_left_alone() -> None:
    net = Apply(chain, parts=[Apply(lambda self, x: len(3))])
    with pytest.raises(TypeError, match="has no len") as error:
        net(1)
    assert type(error.value) is TypeError
    assert error.value.__notes__ == ["  at: model.parts.0"]


def test_a_module_without_call() -> None:
    with pytest.raises(TypeError, match="not callable"):
        Box()(1)  # type: ignore[operator]


def test_calls_on_two_threads_do_not_see_each_other() -> None:
    errors: dict[int, Any] = {}

    def run(i: int) -> None:
        net = Apply(lambda self, x: self.parts[i](x), parts=[Dense(3, 3) for _ in range(2)])
        for _ in range(50):
            errors.setdefault(i, set()).add(failing(lambda: net(normal(1, 7))).path)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == {0: {"model.parts.0"}, 1: {"model.parts.1"}}


def test_a_wrapped_call_keeps_name_and_docstring() -> None:
    class Documented(pax.Module):
        def __call__(self, x):
            """Says what it does."""
            return x

    assert Documented.__call__.__doc__ == "Says what it does."
    assert Documented.__call__.__name__ == "__call__"


def test_a_name_that_is_no_text() -> None:
    net = Dense(2, 2).replace(name=3)
    assert scopes(call, net, normal(5, 2)) == {"3"}


def test_calls_that_are_no_plain_functions() -> None:
    class Jitted(Dense):
        __call__ = jax.jit(Dense.__call__)

    class Pure(Dense):
        @pax.module_and_value
        def __call__(self, x):
            self.seen = 1
            return x

    x = normal(2, 2)
    assert Jitted(2, 2)(x).shape == (2, 2)
    changed, _ = Pure(2, 2)(x)
    assert changed.seen == 1


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    code: int


def test_an_exception_that_cannot_be_changed_passes_as_it_is() -> None:
    def fail(self: Any, x: jax.Array) -> jax.Array:
        raise FrozenError(3)

    with pytest.raises(FrozenError) as raised:
        Net().replace_method(__call__=fail)(normal(2, 3))
    assert raised.value.code == 3


def test_decode_is_a_call_too() -> None:
    """Steps of decoding have scopes, and their errors paths, as calls have."""

    class Steps(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = [Box(fc=Dense(2, 2)).replace_method(decode=lambda self, x: self.fc(x))]

        def decode(self, x: Any) -> Any:
            return self.inner[0].decode(x)

    net = Steps().eval()
    assert scopes(lambda net, x: net.decode(x), net, normal(5, 2)) >= {"Steps/inner.0/fc"}
    with pytest.raises(pax.ShapeError) as raised:
        Steps().replace(
            inner=[
                Apply(lambda self: 0, fc=pax.Linear(2, 2)).replace_method(
                    decode=lambda self, x: self.fc(x)
                )
            ]
        ).decode(normal(5, 3))
    assert "\n  at: model.inner.0.fc\n" in str(raised.value)
    with pytest.raises(pax.CallError) as raised:
        net.decode()  # type: ignore[call-arg]
    assert str(raised.value) == (
        "Steps.decode was called with arguments that it does not take: missing a required "
        "argument: 'x'.\n  at: model\n  fix: call it as module.decode(x)."
    )
