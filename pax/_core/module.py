"""The base class of every layer and model."""

from __future__ import annotations

import abc
import copyreg
import inspect
import threading
import types
from typing import TYPE_CHECKING, Any, ClassVar, Self

import jax

from pax._core import partition, surgery
from pax._core.calls import scoped
from pax._core.checks import check_class, check_tree
from pax._core.errors import ArgumentError, PurityError
from pax._core.guard import Draft, Permit, check_mutable, note_birth
from pax._core.leaves import map_leaves
from pax._core.node import CHILD, Node
from pax._core.pure import module_and_value
from pax._core.pytree import adopt, classify, like_source, register, seal, structure
from pax._core.structure import set_dict
from pax._core.tree import named_submodules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Construction(threading.local):
    """How many constructors are running inside each other on this thread."""

    depth = 0


_construction = _Construction()
_preparing = threading.Lock()


class ModuleMeta(abc.ABCMeta):
    """Runs the construction of modules: permission, registration of children, checks."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any
    ) -> Any:
        if "__slots__" in namespace:
            raise ArgumentError(
                f"{name} has __slots__; a module keeps its attributes in its dictionary.",
                "remove __slots__ (for a dataclass: slots=True).",
            )
        for method in ("__call__", "decode"):
            if isinstance(call := namespace.get(method), types.FunctionType):
                namespace[method] = scoped(call)
        cls = super().__new__(mcs, name, bases, namespace, **kwargs)
        type.__setattr__(cls, "_pax_body", frozenset(namespace))
        register(cls)  # type: ignore[arg-type]
        return cls

    @property
    def __signature__(cls) -> inspect.Signature:
        """What the constructor takes, for `help` and editors."""
        full = inspect.signature(cls.__init__)
        return full.replace(parameters=list(full.parameters.values())[1:])

    if not TYPE_CHECKING:  # type checkers read the signature of __init__ instead

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if "_pax_ready" not in cls.__dict__:
                _prepare_class(cls)
            module = cls.__new__(cls, *args, **kwargs)
            if not isinstance(module, cls):
                return module
            permit = Permit()
            depth = _construction.depth
            _construction.depth = depth + 1
            try:
                module.__dict__.update(_pax=Draft(permit), training=True, name=None)
                module.__init__(*args, **kwargs)
            finally:
                permit.end()
                _construction.depth = depth
            seal(module)
            if depth == 0:  # once for the whole tree, not once for each constructor in it
                check_tree(module)
            note_birth(module)
            return module


def _prepare_class(cls: Any) -> None:
    """Checks a class before its first instance, and takes back what `dataclass` generated.

    The equality and hash of a module are by structure and array identity, and its text is one
    line; a dataclass keeps these unless its body says otherwise.
    """
    check_class(cls, until=Module)
    with _preparing:
        for base in cls.__mro__:
            if "__dataclass_params__" in vars(base):
                for name in ("__eq__", "__hash__", "__repr__"):
                    if name in vars(base) and name not in base._pax_body:
                        delattr(base, name)
        cls._pax_ready = True


class Module(Node, metaclass=ModuleMeta):
    """Base class of layers and models; a module is a JAX pytree.

    Assign arrays, modules, and lists, tuples or dicts of them in `__init__`: they become
    children, what JAX sees. Everything else an attribute may hold is static, part of the
    structure. After `__init__` a module never changes; functions that change one run in
    `pax.pure`, on a copy, and return it.

    Args:
        training: whether the module is in training mode.
        name: shown in front of the class in `repr` and `summary`.
    Example:
        >>> class Net(pax.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.fc = pax.Linear(3, 4)
        ...     def __call__(self, x):
        ...         return jax.nn.relu(self.fc(x))
        >>> jax.jit(Net())(jnp.ones((2, 3))).shape
        (2, 4)
    """

    training: bool
    name: str | None
    #: How `pax.experimental.default_mp_policy` makes modules of the class compute: "half", "full",
    #: or None to leave them as they are.
    precision_role: ClassVar[str | None] = None
    #: What an array is, by attribute name, when a state dict was saved without it.
    _absent_state: ClassVar[Mapping[str, float]] = {}
    #: Whether `summary()` shows the module as one line, without what is under it.
    _summary_as_one_line: ClassVar[bool] = False

    def __init__(self, *, training: bool = True, name: str | None = None) -> None:
        self.training = training
        self.name = name

    # -- change --------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__orig_class__":  # `Net[int](...)`: typing notes what stood in the brackets
            return
        draft = check_mutable(
            self.__dict__.get("_pax"), f"setting `{name}` of {type(self).__name__}"
        )
        object.__setattr__(self, name, adopt(value, draft.permit))
        draft.written.add(name)

    def __delattr__(self, name: str) -> None:
        what = f"deleting `{name}` of {type(self).__name__}"
        check_mutable(self.__dict__.get("_pax"), what)
        if name in structure(self).names:
            raise PurityError(
                f"{what}: it is a child, and children cannot be deleted.",
                f"set it to None instead: self.{name} = None.",
            )
        object.__delattr__(self, name)

    def replace(self, **attributes: Any) -> Self:
        """Returns a new module with existing attributes replaced.

        Args:
            attributes: new values by attribute name.
        Raises:
            StructureError: for an unknown name, or an array or module that is then at two places.
        Example:
            >>> pax.Linear(2, 3).replace(name="fc1")
            (fc1) Linear(in_dim=2, out_dim=3, with_bias=True)
        """
        return surgery.replace(self, attributes, new_names=False)

    def set_attribute(self, name: str, value: Any) -> Self:
        """Returns a new module with one attribute set, a new one or an existing one.

        Args:
            name: the attribute.
            value: its value.
        Raises:
            StructureError: if an array or module is then at two places.
        """
        return surgery.replace(self, {name: value}, new_names=True)

    def replace_node(self, node: Any, value: Any) -> Self:
        """Returns a new module with one node of the tree replaced.

        Args:
            node: the node, a module, array or container: the very object that stands there.
            value: what takes its place.
        Raises:
            StructureError: unless `node` stands at exactly one place.
        Example:
            >>> net = pax.Sequential(pax.Linear(2, 3), jax.nn.relu)
            >>> net.replace_node(net[0], pax.Linear(2, 5))[0].out_dim
            5
        """
        return surgery.replace_node(self, node, value)

    def replace_method(self, **methods: Callable[..., Any]) -> Self:
        """Returns a new module whose class is a same-named subclass carrying these methods.

        Args:
            methods: functions by method name; each takes the module first.
        Raises:
            StructureError: if one is not callable.
        """
        return surgery.replace_methods(self, methods)

    # -- look ----------------------------------------------------------------------------

    @property
    def pytree_attributes(self) -> tuple[str, ...]:
        """The names of the attributes that are children, in order."""
        return structure(self).names

    def submodules(self) -> list[Module]:
        """Returns the direct submodules, in order, those inside containers included."""
        return [m for _, m in named_submodules(self)]  # type: ignore[misc]

    def scan_bugs(self) -> Self:
        """Checks the structure of the tree and returns the module.

        Raises:
            StructureError: if an array or module stands at two places, or a module is hidden
                where JAX cannot see it.
        """
        check_tree(self)
        return self

    def summary(self, return_list: bool = False) -> str | list[str]:
        """Returns the tree of modules as text.

        Args:
            return_list: return the lines, not one string.
        Example:
            >>> print(pax.Sequential(pax.Linear(2, 3), jax.nn.relu).summary())
            Sequential
            ├── Linear(in_dim=2, out_dim=3, with_bias=True)
            └── x => relu(x)
        """
        from pax.show import summary

        return summary(self, return_list)

    def _repr(self, info: dict[str, Any] | None = None) -> str:
        """Returns the one-line text of a module; `info` values that are None are left out."""
        shown = ", ".join(f"{k}={v}" for k, v in (info or {}).items() if v is not None)
        name = f"({self.name}) " if self.name is not None else ""
        return f"{name}{type(self).__name__}" + (f"({shown})" if shown else "")

    def __repr__(self) -> str:
        return self._repr()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return False
        mine, treedef = jax.tree_util.tree_flatten(self)
        its, other_treedef = jax.tree_util.tree_flatten(other)
        return treedef == other_treedef and all(a is b for a, b in zip(mine, its, strict=True))

    def __hash__(self) -> int:
        leaves, treedef = jax.tree_util.tree_flatten(self)
        shapes = [(getattr(x, "shape", ()), getattr(x, "dtype", type(x))) for x in leaves]
        return hash((treedef, *shapes))

    # -- mode, parameters, state -----------------------------------------------------------

    def train(self) -> Self:
        """Returns a new module in training mode, with all its submodules."""
        return surgery.set_training(self, True)

    def eval(self) -> Self:
        """Returns a new module in evaluation mode, with all its submodules."""
        return surgery.set_training(self, False)

    def parameters(self) -> Self:
        """Returns a module of the same class with only what is trainable left in it.

        Everything else is replaced by `EmptyNode()`. A plain `Module` owns nothing trainable;
        the parameters of its submodules are.
        """
        return partition.select(self, own=())

    def update_parameters(self, params: Self) -> Self:
        """Returns a new module with the parameters of another in the place of its own.

        Args:
            params: a module of the same structure; what `params.parameters()` leaves is taken.
        Raises:
            ArgumentError: if `params` is not a module.
            StructureError: if the two trees do not line up.
        """
        if not isinstance(params, Module):
            raise ArgumentError(
                f"update_parameters of {type(self).__name__} got {type(params).__name__}; "
                "expected a module.",
                "pass what `parameters()` of such a module returned, updated by a tree map.",
            )
        return partition.merge(self, params.parameters())

    def state_dict(self) -> dict[str, Any]:
        """Returns all arrays as nested dicts by attribute name.

        Inside lists, tuples and dicts, what is neither an array nor a module is None.
        """
        from pax.io import to_state_dict

        return to_state_dict(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> Self:
        """Returns a new module with the arrays of a state dict.

        Args:
            state_dict: what `state_dict()` of a module of the same structure returned.
        Raises:
            StructureError: if entries are missing, unknown, or of another shape; all are listed.
        """
        from pax.io import from_state_dict

        return from_state_dict(self, state_dict)

    # -- whole trees -----------------------------------------------------------------------

    def copy(self) -> Self:
        """Returns a copy of the tree: new modules and containers, the same arrays."""
        leaves, treedef = jax.tree_util.tree_flatten(self)
        return like_source(treedef.unflatten(leaves), self)

    def apply(self, fn: Callable[[Any], Any]) -> Self:
        """Returns a new tree with `fn` applied to every module, from the leaves up, root last.

        Args:
            fn: takes a module, returns a module.
        """
        return surgery.apply(self, fn)

    def apply_submodules(self, fn: Callable[[Any], Any]) -> Self:
        """Returns a new tree with `fn` applied to every module under this one, not to itself.

        Args:
            fn: takes a module, returns a module.
        """
        return surgery.apply_submodules(self, fn)

    def map(self, fn: Callable[..., Any], *others: Self) -> Self:
        """Returns a new tree with `fn` over corresponding array leaves.

        Args:
            fn: takes one leaf of each tree.
            others: trees of the same structure.
        Raises:
            StructureError: if another tree does not line up; all differences are listed.
        """
        return like_source(map_leaves(fn, self, *others), self)

    # -- operators -------------------------------------------------------------------------

    def __mod__(self, args: Any) -> tuple[Self, Any]:
        """`m % x` is `pax.module_and_value(m)(x)`; a tuple is spread as arguments."""
        args = args if isinstance(args, tuple) else (args,)
        return module_and_value(self)(*args)  # type: ignore[arg-type]

    def __or__(self, other: Self) -> Self:
        """`a | b` is `a` with the leaves of `b` that are not empty."""
        return partition.merge(self, other)

    def __invert__(self) -> Self:
        """`~m` is `m.parameters()`."""
        return self.parameters()

    # -- copy and pickle -------------------------------------------------------------------

    def __getstate__(self) -> tuple[dict[str, Any], list[str]]:
        entries = structure(self).entries
        children = [k for k, v in entries.items() if v is CHILD]
        return {k: self.__dict__[k] for k in entries}, children

    def __setstate__(self, state: tuple[dict[str, Any], list[str]]) -> None:
        if "_pax_ready" not in type(self).__dict__:  # no instance was made by a constructor yet
            _prepare_class(type(self))
        attributes, children = state
        record = classify(type(self), attributes, dict.fromkeys(children, CHILD))
        set_dict(self, {"_pax": record, **attributes})


def _reduce_class(cls: Any) -> Any:
    """Pickles a class by name, or by the call that makes it again."""
    return cls.__dict__.get("_pax_remake", cls.__qualname__)


copyreg.pickle(ModuleMeta, _reduce_class)  # type: ignore[arg-type]
