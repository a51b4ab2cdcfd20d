"""All that training changes, held flat between steps."""

from __future__ import annotations

from typing import Any, NoReturn, Self, final

import jax
import jax.numpy as jnp
import numpy as np

from pax._core import (
    ArgumentError,
    FlatTrees,
    Module,
    PurityError,
    StructureError,
    all_differences,
    some,
    unlike,
)
from pax.optim.gradients import apply_gradients, check_modules
from pax.optim.optimizer import Optimizer
from pax.optim.own_arrays import own_arrays, strong
from pax.optim.scaled import apply_scaled_gradients


@final
class TrainState(FlatTrees):
    """Model, optimizer and number of steps, as one flat list of arrays.

    A compiled step takes the list as it is, at the cost of a plain list of arrays, and may write
    the new arrays over the old ones: a state that went into such a step is used up, and reading
    it raises an error. The arrays are copies, so the model that was given stays whole. A state is
    a pytree, though no module, and never changes.

    Args:
        model: the model.
        optimizer: an optax transformation, or an optimizer that is a module, made for this model.
        loss_scale: for float16: an object with `scale`, `unscale` and `adjust`.
    Raises:
        ArgumentError: if one of the three is something else.
    Example:
        >>> import optax
        >>> state = pax.TrainState(pax.Linear(2, 3), optax.adam(1e-3))
        >>> grads = pax.grad(lambda net, x: net(x).sum())(state.model, jnp.ones((4, 2)))
        >>> state = state.apply_gradients(grads)
        >>> state
        TrainState(step=1, model=Linear(in_dim=2, out_dim=3, with_bias=True))
    """

    __slots__ = ()

    def __init__(self, model: Module, optimizer: Any, *, loss_scale: Any = None) -> None:
        check_modules("TrainState", model=model)
        is_optax = hasattr(optimizer, "init") and hasattr(optimizer, "update")
        if is_optax and not isinstance(optimizer, Module):
            optimizer = Optimizer(optimizer, model)
        trees = {"model": model, "optimizer": optimizer, "loss_scale": loss_scale, "step": 0}
        self._hold_trees(own_arrays(_checked("TrainState", trees)))

    @property
    def model(self) -> Any:
        """Returns the model, built anew at each access."""
        return self._tree("model")

    @property
    def optimizer(self) -> Any:
        """Returns the optimizer, built anew at each access."""
        return self._tree("optimizer")

    @property
    def loss_scale(self) -> Any:
        """Returns the scale of the loss, or None."""
        return self._tree("loss_scale")

    @property
    def step(self) -> Any:
        """Returns how many steps were taken, an int32 array."""
        return self._tree("step")

    def apply_gradients(self, grads: Any, *, model: Any = None, **extra: Any) -> Self:
        """Takes one step: `pax.optim.apply_gradients`, and one step more on the counter.

        With a loss scale it is `pax.experimental.apply_scaled_gradients`: the gradients are those
        of the scaled loss, and where one is not finite nothing is learned in this step.

        Args:
            grads: the gradients, as `pax.grad` returns them for `state.model`.
            model: the model as the loss function has changed it; without, `state.model`.
            extra: what else the optimizer takes, such as value=loss.
        Returns:
            The new state.
        Raises:
            StructureError: if the gradients do not fit, or the model has changed in structure, or
                in the shape or dtype of an array.
        """
        old, optimizer, scale = self.model, self.optimizer, self.loss_scale
        model = old if model is None else model
        check_modules("TrainState.apply_gradients", model=model)
        _check_same_form(old, model)
        if scale is None:
            model, optimizer = apply_gradients(model, optimizer, grads, **extra)
        else:
            done = apply_scaled_gradients(model, optimizer, scale, grads, **extra)
            model, optimizer, scale = done
        trees = {"model": model, "optimizer": optimizer, "loss_scale": scale}
        return self._with(jax.tree_util.tree_map(strong, trees | {"step": self.step + 1}))

    def replace(self, **trees: Any) -> Self:
        """Returns a new state with some of its parts replaced by others, which are copied.

        Args:
            trees: model, optimizer, loss_scale or step, by name.
        Raises:
            ArgumentError: for another name, or a part that is something else.
        """
        return self._with(own_arrays(_checked("TrainState.replace", trees), self._leaves))

    def _check_readable(self) -> None:
        # every step writes a new number over the old one, so one array speaks for all
        if _is_gone(self._leaves[-1]):
            raise ArgumentError(
                "this TrainState went into a step that ran, and its arrays were given to the one "
                "that the step returned.",
                "keep that one: `state, aux = step(state, x)`; to have the old one too, make a "
                "copy before: copy.deepcopy(state).",
            )

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise PurityError(
            f"setting `{name}` of a TrainState was tried; a training state does not change.",
            f"take the new one: state = state.replace({name}=...).",
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise PurityError(
            f"deleting `{name}` of a TrainState was tried; a training state does not change.",
            "make a new TrainState of the model.",
        )

    def __repr__(self) -> str:
        if _is_gone(self._leaves[-1]):
            return "TrainState(used up)"
        return f"TrainState(step={self.step}, model={self.model!r})"


def _is_gone(x: Any) -> bool:
    """Returns whether an array was donated; what stands for one, as in a trace, never is."""
    try:
        return x.is_deleted()
    except (AttributeError, TypeError):
        return False


_PARTS = ("model", "optimizer", "loss_scale", "step")


def _checked(function: str, trees: dict[str, Any]) -> dict[str, Any]:
    """Returns the parts of a state if they are what they should be, the step as int32."""
    unknown = [f"`{name}`" for name in trees if name not in _PARTS]
    if unknown:
        raise ArgumentError(
            f"{function} got {some(unknown)}; a training state has {', '.join(_PARTS)}.",
            "check the name; to carry more, use a pax.experimental.Flattener.",
        )
    check_modules(function, **{k: trees[k] for k in ("model", "optimizer") if k in trees})
    scale = trees.get("loss_scale")
    if scale is not None and not all(hasattr(scale, k) for k in ("scale", "unscale", "adjust")):
        raise ArgumentError(
            f"{function} got {type(scale).__name__} as `loss_scale`; expected an object with the "
            "methods `scale`, `unscale` and `adjust`.",
            "pass pax.precision.DynamicLossScale(); without a scale, leave it out.",
        )
    if "step" not in trees:
        return trees
    step = trees["step"]
    if jnp.shape(step) != () or not jnp.issubdtype(jnp.result_type(step), jnp.integer):
        raise ArgumentError(
            f"{function} got {step!r} as `step`; expected a whole number.",
            "pass the number of steps taken so far: state.replace(step=1000).",
        )
    is_array = isinstance(step, jax.Array)
    return trees | {"step": step.astype(jnp.int32) if is_array else np.int32(step)}


def _check_same_form(old: Module, new: Module) -> None:
    """Raises unless the model keeps its structure, and its arrays their shapes and dtypes."""
    if jax.tree_util.tree_structure(old) != jax.tree_util.tree_structure(new):
        differences = all_differences(old, new)
    else:
        found = unlike(old, new, _form)
        if not found:
            return
        differences = some(found)
    raise StructureError(
        f"the model comes out of the step in another form; old against new: {differences}.",
        "let each array keep its shape and dtype; change modes and layers between two steps: "
        "state.replace(model=..., optimizer=...).",
    )


def _form(x: Any) -> str:
    return f"{jnp.result_type(x).name}[{','.join(map(str, jnp.shape(x)))}]"
