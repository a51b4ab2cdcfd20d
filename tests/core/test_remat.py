"""`pax.remat`: the same values and gradients, with less kept between the passes."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax

DOTS = jax.checkpoint_policies.dots_saveable


def network() -> Any:
    layers = [pax.Linear(4, 4), pax.BatchNorm1D(4), jnp.tanh, pax.Dropout(0.3), pax.Linear(4, 2)]
    return pax.Sequential(*layers)


def inputs() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (5, 3, 4))


def loss(model: Any, x: Any) -> Any:
    model, y = pax.purecall(model, x)
    return jnp.sum(jnp.square(y)), model


def close(a: Any, b: Any) -> None:
    for x, y in zip(jax.tree_util.tree_leaves(a), jax.tree_util.tree_leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "policy",
    [pytest.param(None, id="none"), pytest.param(DOTS, id="dots", marks=pytest.mark.slow)],
)
def test_values_gradients_and_state_are_the_same(policy: Any) -> None:
    net = network()
    again = pax.remat(net, policy=policy)
    step = jax.jit(pax.value_and_grad(loss, has_aux=True))
    close(step(net, inputs()), step(again, inputs()))
    new = pax.purecall(again, inputs())[0]
    assert (new.modules[3].rng_key != net.modules[3].rng_key).any()
    close(new, pax.purecall(net, inputs())[0])


def test_it_is_a_module_of_the_same_class_and_names() -> None:
    net = network()
    again = pax.remat(net)
    assert type(again).__name__ == "Sequential" and isinstance(again, pax.Sequential)
    assert again.summary() == net.summary()
    close(again.load_state_dict(net.state_dict()), net)
    assert type(pax.remat(network())) is type(again)
    assert type(pax.remat(network(), policy=DOTS)) is not type(again)
    copied = pickle.loads(pickle.dumps(pax.remat(pax.Linear(2, 2))))
    assert "remat" in str(jax.make_jaxpr(lambda m, x: m(x))(copied, jnp.ones((1, 2))))


def saved(fn: Any, *args: Any) -> int:
    """Returns how many arrays of what `fn` computes are kept for the backward pass."""
    return len(jax.tree_util.tree_leaves(jax.vjp(fn, *args)[1]))


def test_less_is_kept() -> None:
    net = pax.Sequential(
        *(f for _ in range(6) for f in (pax.Linear(4, 4), jnp.tanh, jnp.sin, jnp.exp))
    )

    def kept(model: Any) -> int:
        return saved(lambda x: model(x), inputs())

    everything, dots, nothing = kept(net), kept(pax.remat(net, policy=DOTS)), kept(pax.remat(net))
    assert nothing < dots < everything


def test_functions_take_modules_and_what_is_no_array() -> None:
    net = network().eval()

    @pax.remat
    def run(model: Any, x: Any, kind: str, *, options: dict[str, Any]) -> Any:
        """Runs."""
        return {"sum": jnp.sum, "mean": jnp.mean}[kind](model(x)) * options["gain"]

    assert run.__doc__ == "Runs."
    value, grads = pax.value_and_grad(run)(net, inputs(), "mean", options={"gain": 2.0})
    want = pax.value_and_grad(lambda m, x: 2.0 * jnp.mean(m(x)))(net, inputs())
    close((value, grads), want)


def test_with_a_policy_of_precision_and_frozen() -> None:
    policy = pax.Policy.parse("params=float32,compute=bfloat16,output=float32")
    fc = pax.Linear(4, 4)
    x = inputs()
    half = pax.apply_mp_policy(fc, policy)
    for both in (pax.remat(half), pax.apply_mp_policy(pax.remat(fc), policy)):
        assert "mp_policy=FHF" in repr(both)
        close(both(x), half(x))
        close(pax.unwrap_mp_policy(both)(x), fc(x))
    frozen = pax.freeze_parameters(pax.remat(fc))
    assert not jax.tree_util.tree_leaves(frozen.parameters())
    close(frozen(x), fc(x))


def test_an_error_has_the_path_of_the_layer() -> None:
    net = pax.Sequential(pax.remat(pax.Sequential(pax.Linear(4, 4))))
    with pytest.raises(pax.ShapeError) as error:
        net(jnp.ones((1, 3)))
    assert error.value.path == "model.modules.0.modules.0"


def test_what_cannot_be_recomputed(unchecked: None) -> None:
    with pytest.raises(pax.ArgumentError) as error:
        pax.remat(pax.Linear)
    assert str(error.value) == (
        "pax.remat got <class 'pax.nn.linear.Linear'>; expected a module that can be called, or a "
        "function.\n"
        "  fix: build the module first, and wrap what you call: block = pax.remat(Block(512))."
    )
    with pytest.raises(pax.ArgumentError) as error:
        pax.remat(pax.Linear(2, 2), policy="dots")  # type: ignore[arg-type]
    assert str(error.value) == (
        "pax.remat got policy='dots'; expected a function, or None.\n"
        "  fix: choose one of jax.checkpoint_policies, such as dots_saveable."
    )
