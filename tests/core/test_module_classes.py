"""Classes of modules: dataclasses, abstract and generic ones, and what is refused."""

from __future__ import annotations

import abc
import copy
import dataclasses
import functools
import pickle
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import jax
import pytest

import pax
from tests.core.samples import Box, Dense, normal

T = TypeVar("T")


@dataclass
class Plain(pax.Module):
    weight: Any
    size: int = 3
    subs: list[Any] = field(default_factory=list)
    limit: ClassVar[int] = 5


@dataclass(eq=False)
class WithoutEq(pax.Module):
    weight: Any


@dataclass(frozen=True)
class Frozen(pax.Module):
    weight: Any
    size: int = 3


@dataclass
class OwnEq(pax.Module):
    weight: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnEq)


@dataclass
class OwnRepr(pax.Module):
    weight: Any

    def __repr__(self) -> str:
        return "mine"


@dataclass
class Child(Plain):
    extra: Any = None


DATACLASSES = [Plain, WithoutEq, Frozen, OwnEq, OwnRepr, Child]


@pytest.mark.parametrize("cls", DATACLASSES)
def test_a_dataclass_is_a_module(cls: type[Any]) -> None:
    module = cls(normal(2))
    assert module.pytree_attributes == ("weight",)
    assert (module.training, module.name) == (True, None)
    assert jax.jit(lambda m: m)(module).weight.shape == (2,)
    assert not module.eval().training
    assert module.replace(weight=normal(3)).weight.shape == (3,)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert jax.tree.structure(again) == jax.tree.structure(module)
    assert module == module.copy()
    assert isinstance(hash(module), int)
    assert hash(module) == hash(module.copy())
    with pytest.raises((pax.PurityError, dataclasses.FrozenInstanceError)):
        module.weight = 3


@pytest.mark.parametrize("cls", [Plain, WithoutEq, Frozen, Child])
def test_a_dataclass_compares_and_reads_like_a_module(cls: type[Any]) -> None:
    module = cls(normal(2))
    assert module != cls(normal(2))
    assert repr(module) == cls.__name__


def test_what_the_body_of_a_dataclass_defines_stays() -> None:
    assert OwnEq(normal(2)) == OwnEq(normal(3))
    assert repr(OwnRepr(normal(2))) == "mine"
    assert repr(OwnEq(normal(2))) == "OwnEq"


def test_dataclass_tools() -> None:
    module = Plain(normal(2), subs=[Dense()])
    assert [f.name for f in dataclasses.fields(module)] == ["weight", "size", "subs"]
    assert module.pytree_attributes == ("weight", "subs")
    other = dataclasses.replace(module, size=4)
    assert (other.size, other.weight is module.weight) == (4, True)
    assert Child(normal(2), extra=Dense()).pytree_attributes == ("weight", "extra")


def test_a_dataclass_changes_in_pure() -> None:
    def run(module: Plain) -> Plain:
        module.subs.append(Dense())
        module.size = 7
        return module

    module = Plain(normal(2))
    changed = pax.pure(run)(module)
    assert (changed.size, len(changed.subs), module.size, module.subs) == (7, 1, 3, [])


def test_arguments_of_dataclasses() -> None:
    """Defaults, factories, keyword-only fields, and arguments that are no fields."""

    @dataclass
    class Base(pax.Module):
        weight: Any
        size: InitVar[int]
        _: KW_ONLY
        sub: pax.Module = field(default_factory=Dense)
        kinds: list[str] = field(default_factory=list)
        act: Any = jax.nn.relu

        def __post_init__(self, size: int) -> None:
            self.table = normal(size)

    @dataclass(kw_only=True)
    class Derived(Base):
        """Its own field comes last, whatever was assigned in between."""

        bias: Any = None

    one, two = Base(normal(2), 3), Base(normal(2), 3)
    assert one.pytree_attributes == ("weight", "sub", "table")
    assert one.sub is not two.sub
    assert (one.kinds == [], one.kinds is not two.kinds) == (True, True)
    assert not hasattr(one, "size")
    derived = Derived(normal(2), 4, bias=normal(3), act=max)
    assert derived.pytree_attributes == ("weight", "sub", "bias", "table")
    assert (derived.act, derived.table.shape) == (max, (4,))
    assert jax.tree.structure(derived.copy()) == jax.tree.structure(derived)
    with pytest.raises(TypeError, match="takes 3 positional arguments"):
        Base(normal(2), 3, Dense())  # type: ignore[misc]


def test_fields_named_like_what_every_module_has() -> None:
    @dataclass
    class Named(pax.Module):
        weight: Any
        name: str | None = "default"
        training: bool = False

    assert (Named(normal(2)).name, Named(normal(2)).training) == ("default", False)
    assert repr(Named(normal(2), "mine", True)) == "(mine) Named"
    assert Named(normal(2)).train().training


def test_a_dataclass_may_call_super_or_write_its_own_constructor() -> None:
    @dataclass
    class Late(pax.Module):
        weight: Any

        def __post_init__(self) -> None:
            super().__init__(name="late")

    @dataclass(init=False)
    class Own(pax.Module):
        weight: Any

        def __init__(self, size: int) -> None:
            self.weight = normal(size)

    assert (Late(normal(2)).name, Late(normal(2)).pytree_attributes) == ("late", ("weight",))
    assert Own(3).weight.shape == (3,)


def test_dataclasses_that_ask_for_a_hash_or_an_order() -> None:
    """The hash stays that of a module; an order is the business of the dataclass."""

    @dataclass(unsafe_hash=True, order=True)
    class Ordered(pax.Module):
        size: int

    assert Ordered(1) < Ordered(2)
    assert hash(Ordered(1)) == hash(Ordered(1).copy())
    assert Ordered(1) == Ordered(1)

    @dataclass(unsafe_hash=True)
    class Held(pax.Module):
        weight: Any

    assert hash(Held(normal(2))) == hash(Held(normal(2)))


def test_a_frozen_dataclass_stays_frozen_in_pure() -> None:
    def run(module: Frozen) -> None:
        module.size = 4  # type: ignore[misc]

    with pytest.raises(dataclasses.FrozenInstanceError):
        pax.pure(run)(Frozen(normal(2)))
    trained = jax.tree.map(lambda x: x + 1, Frozen(normal(2)))
    assert type(pax.freeze_parameters(trained).eval()).__name__ == "Frozen"


def test_post_init_may_assign() -> None:
    @dataclass
    class Post(pax.Module):
        size: int

        def __post_init__(self) -> None:
            self.weight = normal(self.size)

    assert Post(4).weight.shape == (4,)


def test_a_default_that_is_a_module_is_refused() -> None:
    @dataclass
    class Default(pax.Module):
        sub: Any = Dense()  # noqa: RUF009

    with pytest.raises(pax.StructureError, match=r"^Default\.sub is a class attribute"):
        Default()


def test_slots_are_refused() -> None:
    text = (
        "Slotted has __slots__; a module keeps its attributes in its dictionary.\n"
        "  fix: remove __slots__ (for a dataclass: slots=True)."
    )
    with pytest.raises(ValueError) as error:

        class Slotted(pax.Module):
            __slots__ = ("a",)

    assert str(error.value) == text

    class Later(pax.Module):
        a: int = 1

    Later.__name__ = Later.__qualname__ = "Slotted"
    with pytest.raises(ValueError) as error:
        dataclass(slots=True)(Later)
    assert str(error.value) == text


def test_abstract_classes() -> None:
    class Layer(pax.Module, abc.ABC):
        @abc.abstractmethod
        def __call__(self, x): ...

    class Twice(Layer):
        def __call__(self, x):
            return x * 2

    with pytest.raises(TypeError, match="abstract"):
        Layer()
    assert Twice()(3) == 6
    assert isinstance(Twice(), Layer)
    assert type(pax.freeze_parameters(Twice())).__name__ == "Twice"


def test_generic_classes() -> None:
    class Holder(pax.Module, Generic[T]):
        def __init__(self, item: T) -> None:
            super().__init__()
            self.item = item

    for holder in (Holder(normal(2)), Holder[jax.Array](normal(2))):
        assert holder.pytree_attributes == ("item",)
        assert set(vars(holder.copy())) == {"_pax", "training", "name", "item"}
    one, two = Holder[int](1), Holder[str](1)  # type: ignore[arg-type]
    assert jax.tree.structure(one) == jax.tree.structure(two)


def test_a_class_may_make_other_objects() -> None:
    class Choice(pax.Module):
        def __new__(cls, kind: str = "") -> Any:
            return Dense() if kind == "dense" else object.__new__(cls)

        def __init__(self, kind: str = "") -> None:
            super().__init__()
            self.kind = kind

    assert type(Choice("dense")) is Dense
    assert (type(Choice("x")), Choice("x").kind) == (Choice, "x")


def test_inherited_constructors_and_multiple_inheritance() -> None:
    class Named:
        def describe(self) -> str:
            return f"{type(self).__name__} {self.in_dim}"  # type: ignore[attr-defined]

    class Both(Dense, Named):
        """A layer with a mixin."""

    module = Both(3, 2)
    assert module.describe() == "Both 3"
    assert jax.tree.map(lambda x: x, module).describe() == "Both 3"


def test_class_keywords_and_hooks() -> None:
    class Base(pax.Module):
        role: ClassVar[str] = "none"

        def __init_subclass__(cls, role: str = "none", **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.role = role

    class Sub(Base, role="linear"):
        """A subclass with a keyword."""

    assert Sub().role == "linear"
    assert jax.tree.map(lambda x: x, Sub()).role == "linear"


def test_methods_of_every_kind_keep_working() -> None:
    class Busy(Box):
        @property
        def double(self):
            return self.x * 2

        @double.setter
        def double(self, value):
            self.x = value / 2

        @classmethod
        def build(cls, size: int) -> Busy:
            return cls(x=normal(size))

        @staticmethod
        def add(a: int, b: int) -> int:
            return a + b

        @functools.partial(jax.jit, static_argnums=1)
        def jitted(self, n: int):
            return self.x * n

    def halve(busy: Busy) -> Busy:
        busy.double = busy.x
        return busy

    busy = Busy.build(3)
    assert (busy.double == busy.x * 2).all()
    assert (busy.jitted(3) == busy.x * 3).all()
    assert Busy.add(1, 2) == busy.add(1, 2) == 3
    assert (pax.pure(halve)(busy).x == busy.x / 2).all()
    with pytest.raises(pax.PurityError):
        busy.double = 1


def test_a_module_that_compares_equal_to_nothing_still_travels() -> None:
    class Never(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = normal(2)

        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = pax.Module.__hash__

    module = Never()
    assert module != module.copy()
    assert jax.jit(lambda m: m.w)(module).shape == (2,)
    assert len(jax.tree.leaves(Box(m=module).eval())) == 1
