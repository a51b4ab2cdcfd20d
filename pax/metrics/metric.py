"""What every metric is: a module of sums that batches, parts and devices add to."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import jax
from jax import Array

from pax._core import CallError, StateModule, StructureError
from pax.metrics import sums
from pax.metrics.sums import Sum


class Metric(StateModule):
    """Base class of the metrics: `update` with each batch, then `compute`.

    A metric never changes: `update` returns a new one, and the first, empty one stays for the
    next epoch. All that it holds are sums, of twice the digits of float32: counts are exact
    up to 2^48, and no order of batches gives another result but for rounding. So a metric of a
    padded, masked or parted set is that of the whole set. It goes through jit, scan, vmap and
    shard_map as any module.

    Example:
        >>> metric = empty = pax.metrics.Mean()
        >>> for batch in ([1.0, 2.0], [6.0]):
        ...     metric = metric.update(jnp.array(batch))
        >>> print(metric.compute(), empty.compute())
        3.0 nan
    """

    #: Axes of the sums of a single metric.
    _ndim: ClassVar[int] = 0

    def compute(self) -> Array:
        """Returns the metric of all that was added.

        Returns:
            A number, or an array where the class says so; float32, float64 where JAX has it.
            NaN before the first update, and where a compiled update saw a label that is none.
        """
        raise NotImplementedError

    def merge(self, other: Self) -> Self:
        """Returns the metric of what either of two was given.

        Args:
            other: a metric of the same class and arguments.
        Raises:
            StructureError: if it is another one.
        Example:
            >>> a, b = (pax.metrics.Mean().update(jnp.array(x)) for x in ([1.0, 2.0], [6.0]))
            >>> print(a.merge(b).compute())
            3.0
        """
        if jax.tree.structure(self) != jax.tree.structure(other):
            raise StructureError(
                f"{self!r} cannot take in {other!r}; expected a metric of the same class and "
                "arguments.",
                "make both from one empty metric, and merge metrics of a dict one by one.",
            )
        return self._plus(**other._parts())

    def merge_all(self) -> Self:
        """Returns the metric of a stack of them, such as `jax.vmap` of an update gives.

        Raises:
            StructureError: if it is a single metric.
        Example:
            >>> batches = jnp.array([[1.0, 2.0], [6.0, 7.0]])
            >>> stack = jax.vmap(pax.metrics.Mean().update)(batches)
            >>> print(stack.compute(), stack.merge_all().compute())
            [1.5 6.5] 4.0
        """
        if min(x.ndim for x in jax.tree.leaves(self)) <= self._ndim:
            raise StructureError(
                f"{self!r}: merge_all of a single metric; expected a stack of them.",
                "merge two metrics with a.merge(b); jax.vmap(metric.update) makes a stack.",
            )
        return self.replace(**sums.over_first_axis(self._merged, self._parts()))

    def all_reduce(self, axis_name: str | tuple[str, ...]) -> Self:
        """Returns the metric of all devices of a mapped axis, inside `jax.shard_map`.

        Give it what the devices saw since they last agreed, an empty metric updated with their
        parts, and merge that into the total: what is the same on each would count many times.
        Under `jax.jit` alone arrays are whole, and there is nothing to do.

        Args:
            axis_name: the axis, or several, of the mesh.
        Raises:
            CallError: if no such axis is mapped.
        """
        try:
            parts = sums.gathered(self._parts(), axis_name)
        except NameError:
            raise CallError(
                f"{self!r}: all_reduce was called where no axis named {axis_name!r} is mapped.",
                "call it in jax.shard_map over that axis; under jit alone leave it out, for there "
                "arrays are whole.",
            ) from None
        return self.replace(**sums.over_first_axis(self._merged, parts))

    def _parts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.pytree_attributes}

    def _plus(self, **parts: Any) -> Self:
        """Returns the metric of what it holds and the parts of a batch."""
        return self.replace(**self._merged(self._parts(), parts))

    @staticmethod
    def _merged(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        """Returns the parts of two metrics as those of one."""
        return _added(a, b)


@jax.jit  # one dispatch where called eagerly
def _added(a: dict[str, Sum], b: dict[str, Sum]) -> dict[str, Sum]:
    return {name: sums.plus(a[name], b[name]) for name in a}
