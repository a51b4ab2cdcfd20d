"""A layer beside an independent statement of it: outputs and gradients, in float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pax._core import Module, named_leaves, purecall
from pax.testing.calls import cast, checked
from pax.testing.close import check_close, is_floating

#: Computes a layer: `reference(parameters by dotted path, *inputs) -> outputs`.
Reference = Callable[..., Any]


def assert_matches(
    layer: Module, reference: Reference, inputs: Any, tolerance: float = 1e-10
) -> None:
    """Checks that a layer computes what an independent reference computes.

    Both run in float64, with random numbers in all trainable arrays of the layer, so that nothing
    hides behind a bias of zeros. Compared are the outputs and the gradients, of a sum of the
    outputs with random weights, for trainable arrays and floating inputs.

    Args:
        layer: the module, in the mode that is checked; its state stays as it is.
        reference: called as `reference(parameters, *inputs)`, parameters being a dict by dotted
            path ("fc.weight"), with JAX arrays; or `pax.testing.in_torch(function)`.
        inputs: arguments of the call, a tuple of trees of arrays; or the only one, an array.
        tolerance: how far numbers may be apart, absolute and relative.
    Raises:
        CheckError: if the two differ, with the path of what differs; it is an AssertionError.
        DtypeError: if the layer is no module or the inputs are no arrays.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (2, 3))
        >>> def reference(parameters, x):
        ...     return x @ parameters["weight"]
        >>> pax.testing.assert_matches(pax.Linear(3, 4, with_bias=False), reference, x)
    """
    with jax.enable_x64(True):
        inputs = checked("assert_matches", layer, inputs)
        layer, inputs = _randomized(cast(layer, np.float64)), cast(inputs, np.float64)
        parameters = dict(named_leaves(layer.parameters()))
        structure = jax.tree.structure(layer.parameters())

        def of_layer(parameters: dict[str, Any], *inputs: Any) -> Any:
            now = structure.unflatten([parameters[name] for name in names])
            return purecall(layer.update_parameters(now), *inputs)[1]

        names = list(parameters)
        found = _in_jax(of_layer, parameters, inputs)
        run = _in_torch if isinstance(reference, _Torch) else _in_jax
        expected = run(reference, parameters, inputs)
    for part, x, y in zip(("output", "gradient"), found, expected, strict=True):
        check_close(
            f"assert_matches: {layer!r}",
            "compare the formulas: which axis, which order of arguments, which constant.",
            {part: x},
            {part: y},
            tolerance,
        )


@dataclasses.dataclass(frozen=True)
class _Torch:
    """A reference of torch tensors."""

    function: Reference

    def __call__(self, parameters: dict[str, Any], *inputs: Any) -> Any:
        return self.function(parameters, *inputs)


def in_torch(function: Reference) -> Reference:
    """Makes a function of torch tensors a reference for `assert_matches`.

    Args:
        function: called as `function(parameters, *inputs)`, parameters being a dict by dotted
            path; returns tensors.
    Returns:
        The reference; its gradients are torch's.
    Example:
        >>> import torch
        >>> def reference(parameters, x):
        ...     return torch.nn.functional.linear(x, parameters["weight"].T, parameters["bias"])
        >>> x = jax.random.normal(jax.random.key(0), (2, 3))
        >>> pax.testing.assert_matches(pax.Linear(3, 4), pax.testing.in_torch(reference), x)
    """
    return _Torch(function)


def _randomized(layer: Any) -> Any:
    """Returns the layer with random numbers in all of its trainable arrays."""
    rng = np.random.default_rng(0)
    draw: Any = lambda x: jnp.asarray(rng.standard_normal(x.shape), x.dtype)  # noqa: E731
    return layer.update_parameters(jax.tree.map(draw, layer.parameters()))


def _weights(outputs: Any) -> list[np.ndarray]:
    """Returns the random weight of each number of the floating outputs."""
    rng = np.random.default_rng(1)
    return [rng.standard_normal(y.shape) for y in outputs]


def _in_jax(function: Reference, parameters: dict[str, Any], inputs: tuple[Any, ...]) -> Any:
    """Returns the outputs, and the gradients for parameters and floating inputs."""
    leaves, treedef = jax.tree.flatten((parameters, inputs))

    def of_floats(floats: list[Any]) -> Any:
        given = iter(floats)
        merged = treedef.unflatten([next(given) if is_floating(x) else x for x in leaves])
        outputs = function(merged[0], *merged[1])
        floating = [y for y in jax.tree.leaves(outputs) if is_floating(y)]
        terms = zip(floating, _weights(floating), strict=True)
        return sum(((y * w).sum() for y, w in terms), jnp.zeros(())), outputs

    floats = [x for x in leaves if is_floating(x)]
    gradients, outputs = jax.jit(jax.grad(of_floats, has_aux=True))(floats)
    given = iter(gradients)
    by_place = treedef.unflatten([next(given) if is_floating(x) else None for x in leaves])
    return outputs, dict(zip(("parameters", "inputs"), by_place, strict=True))


def _in_torch(reference: Any, parameters: dict[str, Any], inputs: tuple[Any, ...]) -> Any:
    """Returns the outputs, and the gradients for parameters and floating inputs."""
    import torch

    def variable(x: Any) -> torch.Tensor:
        return torch.tensor(np.array(x), requires_grad=bool(is_floating(x)))

    def gradient(x: torch.Tensor) -> Any:
        if not x.requires_grad:
            return None
        return np.zeros(x.shape) if x.grad is None else x.grad.numpy()

    tensors, xs = jax.tree.map(variable, (parameters, inputs))
    outputs = reference(tensors, *xs)
    floating = [y for y in jax.tree.leaves(outputs) if y.is_floating_point()]
    terms = zip(floating, _weights(floating), strict=True)
    total: Any = sum((y * torch.from_numpy(w)).sum() for y, w in terms)
    total.backward()
    values = jax.tree.map(lambda y: y.detach().numpy(), outputs)
    return values, jax.tree.map(gradient, {"parameters": tensors, "inputs": xs})
