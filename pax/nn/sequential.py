"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from pax._core import ArgumentError, CallError, Module, arguments
from pax.nn.lambda_module import as_module


class Sequential(Module):
    """Calls layers in order, each on the output of the one before.

    Args:
        layers: modules, and functions of one array; a function is wrapped in `pax.Lambda`.
        name: name of the module.
    Raises:
        ArgumentError: if a layer cannot be called.
    Example:
        >>> net = pax.Sequential(pax.Linear(2, 32), jax.nn.relu, pax.Linear(32, 3))
        >>> print(net.summary())
        Sequential
        ├── Linear(in_dim=2, out_dim=32, with_bias=True)
        ├── x => relu(x)
        └── Linear(in_dim=32, out_dim=3, with_bias=True)
        >>> net(jnp.ones((3, 2))).shape
        (3, 3)
    """

    modules: tuple[Module, ...]

    def __init__(self, *layers: Module | Callable[..., Any], name: str | None = None) -> None:
        super().__init__(name=name)
        self.modules = tuple(_as_module(i, layer) for i, layer in enumerate(layers))

    def __call__(self, x: Any) -> Any:
        """Calls the layers in order.

        Args:
            x: input of the first layer.
        Returns:
            Output of the last layer; x itself if there is none.
        """
        for module in self.modules:
            x = module(x)  # type: ignore[operator]
        return x

    def make_cache(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Returns the caches of all layers, for `decode`.

        Args:
            args: what `make_cache` of every layer gets: batch size and largest length.
            kwargs: the same, by name.
        Returns:
            One cache for each layer.
        Raises:
            ArgumentError: if a layer has no `make_cache` and `decode`.
        """
        for i, module in enumerate(self.modules):
            if not (hasattr(module, "make_cache") and hasattr(module, "decode")):
                raise ArgumentError(
                    f"Sequential cannot decode: layer {i}, {module!r}, has no make_cache and "
                    "decode.",
                    "decode with the layers that have, and call the others around them.",
                )
        layers: tuple[Any, ...] = self.modules
        return tuple(layer.make_cache(*args, **kwargs) for layer in layers)

    def decode(self, x: Any, cache: Any, **kwargs: Any) -> tuple[Any, tuple[Any, ...]]:
        """Calls `decode` of the layers in order, each on the output of the one before.

        Args:
            x: the next tokens, as the layers take them.
            cache: what `make_cache` or the last call returned.
            kwargs: what `decode` of every layer gets besides.
        Returns:
            The output of the last layer, and the caches.
        Raises:
            CallError: if there are not as many caches as layers.
        """
        layers: tuple[Any, ...] = self.modules
        if type(cache) is not tuple or len(cache) != len(layers):
            size = f" of {len(cache)}" if type(cache) is tuple else ""
            raise CallError(
                f"Sequential got a cache of type {type(cache).__name__}{size}; expected a tuple of "
                f"{len(layers)}, one cache for each layer.",
                "pass what make_cache of this Sequential returned.",
            )
        after = []
        for layer, before in zip(layers, cache, strict=True):
            x, new = layer.decode(x, before, **kwargs)
            after.append(new)
        return x, tuple(after)

    def __len__(self) -> int:
        return len(self.modules)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int | slice) -> Any:
        """Returns a layer, or a `Sequential` of the layers of a slice."""
        if isinstance(index, slice):
            return Sequential(*self.modules[index], name=self.name)
        return self.modules[index]

    def set(self, index: int, value: Module | Callable[..., Any]) -> Self:
        """Returns a new `Sequential` with one layer replaced.

        Args:
            index: place of the layer, negative from the end.
            value: the new layer.
        Raises:
            ArgumentError: if value cannot be called, or there is no such place.
        """
        arguments.integer("Sequential.set", "index", index)
        if not -len(self) <= index < len(self):
            raise ArgumentError(
                f"Sequential.set got index={index}; the network has length {len(self)}.",
                "use `sequential >> layer` to append one.",
            )
        modules = list(self.modules)
        modules[index] = _as_module(index, value)
        return self.replace(modules=tuple(modules))

    def __rshift__(self, layer: Module | Callable[..., Any]) -> Self:
        """`sequential >> layer` is a new `Sequential` with the layer appended."""
        return self.replace(modules=(*self.modules, _as_module(len(self), layer)))


def _as_module(index: int, layer: Any) -> Module:
    fix = (
        "pass modules and functions: pax.Sequential(pax.Linear(2, 3), jax.nn.relu); "
        "spread a list with *layers."
    )
    return as_module("Sequential", f"layer {index}", layer, fix)
