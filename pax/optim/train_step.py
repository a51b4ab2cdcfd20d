"""From a loss function to a compiled step of a training state."""

from __future__ import annotations

from typing import Any

import jax

from pax._core import ArgumentError, value_and_grad
from pax.optim.train_state import TrainState
from pax.optim.update import LossFn, checked_loss_fn


def build_train_step(loss_fn: LossFn[Any]) -> TrainStep:
    """Makes a compiled training step of a loss function.

    The step computes the gradient of the loss with respect to the trainable parameters, and takes
    one step of the optimizer. The new arrays are written over those of the old state, which is
    used up: `state, aux = step(state, *inputs)`. A step of more parts is
    `jax.jit(my_step, donate_argnums=0)`, with `state.apply_gradients` in it.

    Args:
        loss_fn: `loss_fn(model, *inputs)` returns `(loss, (aux, model))`: the loss, anything
            else that the step should return, and the model as the call has changed it.
    Returns:
        `step(state, *inputs)`, which returns `(state, aux)`; `step.lower(state, *inputs)` is as
        of `jax.jit`.
    Raises:
        ArgumentError: if `loss_fn` cannot be called; by the step, if its first argument is no
            `TrainState`, or `loss_fn` returns something else.
        StructureError: by the step, if the model comes back in another form.
    Example:
        >>> import optax
        >>> def loss_fn(model, x, y):
        ...     model, predicted = pax.purecall(model, x)
        ...     loss = jnp.mean((predicted - y) ** 2)
        ...     return loss, (loss, model)
        >>> step = pax.build_train_step(loss_fn)
        >>> state = pax.TrainState(pax.Linear(2, 3), optax.adam(1e-3))
        >>> state, loss = step(state, jnp.ones((4, 2)), jnp.ones((4, 3)))
        >>> int(state.step)
        1
    """
    return TrainStep(checked_loss_fn("build_train_step", loss_fn))


class TrainStep:
    """A compiled step of a training state, called as `step(state, *inputs)`."""

    def __init__(self, loss_fn: LossFn[Any]) -> None:
        self.__name__ = "train_step"
        self._loss_fn = loss_fn
        self._compiled = jax.jit(self._run, donate_argnums=0)
        self._compiled_for: dict[Any, Any] = {}

    def __call__(self, state: TrainState, *inputs: Any) -> tuple[TrainState, Any]:
        """Takes one step, and uses up the state."""
        return self._jitted(state)(state, *inputs)

    def lower(self, state: TrainState, *inputs: Any) -> jax.stages.Lowered:
        """Returns the program of the step before it is compiled, as `jax.jit(...).lower` does.

        Args:
            state: a state, or the shapes of one, as `jax.eval_shape` returns it.
            inputs: what the loss function takes after the model.
        """
        return self._jitted(state).lower(state, *inputs)

    def _jitted(self, state: TrainState) -> Any:
        """Returns the step for a state that is where it is.

        If it is spread over devices, the new one is held in the same places: the compiler would
        distribute it as it likes, and the next step be compiled anew for that.
        """
        if not isinstance(state, TrainState):
            raise ArgumentError(
                f"the training step got {type(state).__name__} as its first argument; expected a "
                "TrainState.",
                "make one first: state = pax.TrainState(model, optax.adam(1e-3)).",
            )
        if not _is_spread(state._leaves[-1]):  # the step, which is wherever the rest is
            return self._compiled
        leaves, treedef = jax.tree_util.tree_flatten(state)
        places = tuple(x.sharding for x in leaves)
        found = self._compiled_for.get((treedef, places))
        if found is None:
            out = (treedef.unflatten(places), None)
            found = jax.jit(self._run, donate_argnums=0, out_shardings=out)
            self._compiled_for[treedef, places] = found
        return found

    def _run(self, state: TrainState, *inputs: Any) -> tuple[TrainState, Any]:
        scale = state.loss_scale

        def scaled_loss(model: Any, *inputs: Any) -> Any:
            loss, rest = self._loss_fn(model, *inputs)
            return (loss if scale is None else scale.scale(loss)), rest

        (_, (aux, model)), grads = value_and_grad(scaled_loss, has_aux=True)(state.model, *inputs)
        return state.apply_gradients(grads, model=model), aux


def _is_spread(x: Any) -> bool:
    """Returns whether an array, or what stands for one, has its place on several devices."""
    try:
        return len(x.sharding.device_set) > 1
    except (AttributeError, TypeError):  # a tracer, or a shape without a place
        return False
