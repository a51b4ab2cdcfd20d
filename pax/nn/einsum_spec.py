"""Named axes of a linear layer: "... width -> ... heads size"."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Mapping
from typing import Any

from pax._core import ArgumentError, arguments

ANY = "..."


@dataclasses.dataclass(frozen=True)
class EinsumSpec:
    """The axes of input and output, and those of the weight.

    Args:
        inputs: axes of the input, in order; "..." stands for any.
        outputs: axes of the output, in order.
        summed: axes of the weight that the output has not.
        kept: axes of the weight that the output has, in its order.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    summed: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def weight(self) -> tuple[str, ...]:
        """Axes of the weight: those that are summed over, then the others."""
        return self.summed + self.kept

    @property
    def fans(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Where the weight has what is summed over, what is new, and what is a map of its own."""
        places = list(enumerate(self.weight))
        return (
            tuple(i for i, axis in places if axis in self.summed),
            tuple(i for i, axis in places if axis not in self.inputs),
            tuple(i for i, axis in places if axis in self.inputs and axis in self.outputs),
        )

    @property
    def equation(self) -> str:
        """The product as `jnp.einsum` spells it."""
        names = dict.fromkeys(n for n in self.inputs + self.weight + self.outputs if n != ANY)
        letters = dict(zip(names, string.ascii_letters, strict=False)) | {ANY: ANY}
        x, w, y = (
            "".join(letters[name] for name in axes)
            for axes in (self.inputs, self.weight, self.outputs)
        )
        return f"{x},{w}->{y}"

    @property
    def is_dense(self) -> bool:
        """Whether the last axes of the input become the last axes of the output, as they are."""
        n, m = len(self.summed), len(self.kept)
        inputs, outputs = self.inputs, self.outputs
        return (
            inputs[len(inputs) - n :] == self.summed
            and outputs[len(outputs) - m :] == self.kept
            and inputs[: len(inputs) - n] == outputs[: len(outputs) - m]
        )

    def axis_of_input(self, name: str) -> int:
        """Returns where a named axis of the input is, counted from the end after "..."."""
        at = self.inputs.index(name)
        return at - len(self.inputs) if ANY in self.inputs[:at] else at


def parse(spec: Any, sizes: Any) -> EinsumSpec:
    """Returns the axes that a text and the sizes of some of them say; raises if they cannot be."""
    sides = spec.split("->") if isinstance(spec, str) else ()
    if len(sides) != 2:
        raise ArgumentError(
            f"EinsumLinear got spec={spec!r}; expected the axes of the input, an arrow, and the "
            "axes of the output.",
            "write names with spaces between: '... width -> ... heads size'.",
        )
    inputs, outputs = (tuple(side.split()) for side in sides)
    for name in inputs + outputs:
        if name != ANY and not name.isidentifier():
            raise _refused(spec, f"axis {name!r}, which is no name", "name axes by words, or '...'")
    for name in inputs + outputs:
        if inputs.count(name) > 1 or outputs.count(name) > 1:
            raise _refused(spec, f"axis {name!r} twice on one side", "give each its own name")
    if (ANY in inputs) != (ANY in outputs):
        raise _refused(spec, "'...' on one side only", "write it on both, or on neither")
    _check_sizes(spec, sizes, inputs + outputs)
    for name in inputs + outputs:
        if name != ANY and name not in sizes and (name in inputs) != (name in outputs):
            raise _refused(
                spec,
                f"axis {name!r} on one side only, and no size for it",
                f"give its size: {{{name!r}: 64}}; an axis without one is on both sides",
            )
    summed = tuple(name for name in inputs if name in sizes and name not in outputs)
    kept = tuple(name for name in outputs if name in sizes)
    if not summed:
        raise _refused(
            spec, "no axis that is summed over", "leave an axis of the input out of the output"
        )
    return EinsumSpec(inputs, outputs, summed, kept)


def _check_sizes(spec: str, sizes: Any, names: tuple[str, ...]) -> None:
    if not isinstance(sizes, Mapping) or not all(
        arguments.is_int(size) and size > 0 for size in sizes.values()
    ):
        raise ArgumentError(
            f"EinsumLinear got sizes={sizes!r}; expected a dict of positive integers.",
            'give the size of each axis of the weight: {"width": 512, "heads": 8, "size": 64}.',
        )
    for name in sizes:
        if name not in names or name == ANY:
            raise _refused(
                spec, f"a size for {name!r}, which it does not name", "leave that size out"
            )


def _refused(spec: str, what: str, fix: str) -> ArgumentError:
    return ArgumentError(f"EinsumLinear got spec={spec!r} with {what}.", f"{fix}.")
