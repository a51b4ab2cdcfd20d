"""What all networks over images have in common: keys, construction, data formats, sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.contracts.case import paths
from tests.counting import count_compilations
from tests.nn.run import called

SIZE = 16
TINY: dict[str, Callable[..., Any]] = {
    "DCGANGenerator": lambda **options: pax.nets.DCGANGenerator(
        5, 3, image_size=SIZE, base_channels=2, **options
    ),
    "DCGANDiscriminator": lambda **options: pax.nets.DCGANDiscriminator(
        3, image_size=SIZE, base_channels=2, **options
    ),
    "VQVAE": lambda **options: pax.nets.VQVAE(
        3, num_codes=4, code_dim=3, hidden_channels=4, residual_channels=2, **options
    ),
    "MLPMixer": lambda **options: pax.nets.MLPMixer(
        3,
        5,
        image_size=SIZE,
        patch_size=8,
        dim=4,
        num_layers=1,
        tokens_dim=3,
        channels_dim=6,
        **options,
    ),
    "MobileNetV2": lambda **options: pax.nets.MobileNetV2(
        3, 5, width=0.25, stages=((1, 32, 1, 1), (2, 32, 1, 2)), **options
    ),
    "EfficientNet": lambda **options: pax.nets.EfficientNet(
        3, 5, width=0.25, stages=((1, 32, 1, 1), (2, 32, 1, 2)), **options
    ),
    "ConvNeXt": lambda **options: pax.nets.ConvNeXt(
        3, 5, blocks_per_group=(1, 1), channels_per_group=(4, 6), **options
    ),
    "UNet": lambda **options: pax.nets.UNet(
        3,
        base_channels=4,
        channel_multipliers=(1, 2),
        blocks_per_level=1,
        attention_levels=(),
        groups=2,
        **options,
    ),
}
#: Other inputs than images.
INPUTS = {"DCGANGenerator": (5,)}
#: The ends of the paths of arrays that the key decides.
DRAWN = ("weight", "sums")
#: Weights that start at zero.
ZERO = {
    "MLPMixer": ("logits.weight",),
    "UNet": ("head.weight", "conv2.weight", "output_projection.weight"),
}

#: Numbers of trainable parameters as the papers, and the programs that go with them, have them;
#: the examples of docstrings count those of other networks.
COUNTS: dict[str, tuple[Callable[..., Any], int]] = {
    "MLPMixer S/16": (lambda **options: pax.nets.MLPMixer(3, 1000, **options), 18_528_264),
    "MLPMixer B/16": (
        lambda **options: pax.nets.MLPMixer(
            3, 1000, dim=768, num_layers=12, tokens_dim=384, channels_dim=3072, **options
        ),
        59_880_472,
    ),
    "EfficientNet B7": (
        lambda **options: pax.nets.EfficientNet(3, 1000, width=2.0, depth=3.1, **options),
        66_347_960,
    ),
    "ConvNeXt S": (
        lambda **options: pax.nets.ConvNeXt(3, 1000, blocks_per_group=(3, 3, 27, 3), **options),
        50_223_688,
    ),
    "ConvNeXt L": (
        lambda **options: pax.nets.ConvNeXt(
            3,
            1000,
            blocks_per_group=(3, 3, 27, 3),
            channels_per_group=(192, 384, 768, 1536),
            **options,
        ),
        197_767_336,
    ),
}

each_net = pytest.mark.parametrize("name", TINY)


def inputs(name: str) -> tuple[np.ndarray, ...]:
    """Returns arguments of a call, images with channels first."""
    shape = (2, *INPUTS.get(name, (3, SIZE, SIZE)))
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return (x, np.array([10.0, 500.0], np.float32)) if name == "UNet" else (x,)


def without_zeros(net: Any) -> Any:
    """Returns the network with small numbers in place of zeros, where it would be blind."""
    rng = np.random.default_rng(1)

    def draw(x: jax.Array) -> Any:
        return x if np.any(x) else jnp.asarray(0.1 * rng.standard_normal(x.shape), x.dtype)

    return jax.tree.map(draw, net)


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_number_of_parameters(name: str) -> None:
    make, count = COUNTS[name]
    net = jax.eval_shape(lambda key: make(rng_key=key), jax.random.key(0))
    assert sum(x.size for x in jax.tree.leaves(net.parameters())) == count


@each_net
def test_the_key_decides(name: str) -> None:
    pax.seed_rng_key(7)
    nets = [TINY[name](rng_key=jax.random.PRNGKey(seed)) for seed in (3, 3, 4)]
    for path, x, same, other in zip(paths(nets[0]), *map(jax.tree.leaves, nets), strict=True):
        np.testing.assert_array_equal(x, same, err_msg=path)
        is_drawn = path.endswith((*DRAWN, "_rng_key")) and not path.endswith(ZERO.get(name, ()))
        assert np.any(np.asarray(x) != np.asarray(other)) == is_drawn, path
    drawn = pax.next_rng_key()
    pax.seed_rng_key(7)
    np.testing.assert_array_equal(drawn, pax.next_rng_key())  # nothing was taken from the stream


@pytest.mark.slow
@each_net
def test_construction_compiles_nothing_new(name: str) -> None:
    TINY[name](rng_key=jax.random.PRNGKey(0))
    with count_compilations() as compilations:
        TINY[name](rng_key=jax.random.PRNGKey(1), data_format="NHWC")
        TINY[name]()
    assert compilations.count <= 1


@pytest.mark.slow
@each_net
def test_data_formats_agree(name: str) -> None:
    key = jax.random.PRNGKey(0)
    first = without_zeros(TINY[name](rng_key=key)).eval()
    last = without_zeros(TINY[name](rng_key=key, data_format="NHWC")).eval()

    def moved(x: Any) -> np.ndarray:
        return np.moveaxis(x, 1, -1) if np.ndim(x) == 4 else np.asarray(x)

    expected = jax.tree.leaves(called(first, *inputs(name)))
    found = jax.tree.leaves(called(last, *map(moved, inputs(name))))
    for x, y in zip(found, map(moved, expected), strict=True):
        assert np.ptp(y) > 0
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@each_net
def test_mixed_precision_is_the_rounded_result(name: str) -> None:
    net = without_zeros(TINY[name]()).eval()
    half = net.apply(pax.experimental.default_mp_policy)
    found, expected = (jax.tree.leaves(called(n, *inputs(name)))[0] for n in (half, net))
    assert found.dtype == jnp.bfloat16
    assert np.ptp(np.asarray(expected)) > 0
    np.testing.assert_allclose(found.astype(jnp.float32), expected, rtol=0.1, atol=0.1)


@pytest.mark.slow
@each_net
def test_an_empty_batch(name: str) -> None:
    empty = [np.zeros((0, *x.shape[1:]), x.dtype) for x in inputs(name)]
    for y in jax.tree.leaves(jax.eval_shape(TINY[name]().eval(), *empty)):
        assert y.shape[0] == 0


@pytest.mark.usefixtures("unchecked")
@each_net
def test_the_first_layer_refuses(name: str) -> None:
    if name in INPUTS:
        return
    rest = inputs(name)[1:]
    with pytest.raises(pax.DtypeError, match=r"x\.astype\(jnp\.float32\) / 255"):
        TINY[name]()(np.zeros((2, 3, SIZE, SIZE), np.uint8), *rest)
    with pytest.raises(pax.ShapeError, match=r"add the batch axis with x\[None\]"):
        TINY[name]()(np.zeros((3, SIZE, SIZE), np.float32), *rest)
    with pytest.raises(pax.ShapeError, match="build the layer with in_features=4"):
        TINY[name]()(np.zeros((2, 4, SIZE, SIZE), np.float32), *rest)
