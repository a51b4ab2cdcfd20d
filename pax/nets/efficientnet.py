"""A network over images whose depth and width grow together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from pax._core import arguments
from pax.nets.inverted_residual import InvertedResidualNet, checked_stages, rounded

#: Table 1 of the paper: expansion, channels, blocks, stride, kernel.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class EfficientNet(InvertedResidualNet):
    """An EfficientNet: images in, one score for each class out; by default B0.

    A 3x3 convolution of stride 2; inverted residual blocks: 1x1 to some times the channels, 3x3
    or 5x5 in each channel apart, squeeze and excitation through a quarter of the input channels,
    1x1 to the output channels, and the input is added where the shape is the same; a 1x1
    convolution to 4 times the channels; the mean over space; dropout; a dense layer. The
    convolutions have no bias; each has a batch norm, and silu but at the end of a block.

    Args:
        input_channels: C, number of channels of the images.
        num_classes: number of scores.
        width: factor of the numbers of channels, which are rounded to multiples of 8.
        depth: factor of the numbers of blocks, which are rounded up.
        stages: blocks that are alike, each (expansion, channels, num_blocks, stride), and a
            kernel size if it is not 3; the first block of a stage has its stride.
        dropout_rate: probability, in [0, 1), that while training an element of what the dense
            layer reads becomes zero. The keys come from `rng_seq`.
        drop_path_rate: probability, in [0, 1), that while training an image skips a block: i / n
            times this for block i = 0, 1, ... of n. B0 to B7 have 0.2.
        bn_config: arguments of every batch norm: create_scale, create_offset, decay_rate, eps.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC".
        rng_key: random key of the initial values and of `rng_seq`; by default keys of
            `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> make = lambda key: pax.nets.EfficientNet(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        5288548
    Source: Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural
        networks", 2019 (arXiv 1905.11946); squeeze and excitation: Hu et al., 2017
        (arXiv 1709.01507).
    """

    _activation = staticmethod(jax.nn.silu)
    _squeezes = True

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        stages: Sequence[Sequence[int]] = STAGES,
        dropout_rate: float = 0.2,
        drop_path_rate: float = 0.2,
        bn_config: Mapping[str, Any] | None = None,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        depth = arguments.positive("EfficientNet", "depth", depth)
        deep = [
            stage._replace(num_blocks=math.ceil(stage.num_blocks * depth))
            for stage in checked_stages("EfficientNet", stages)
        ]
        super().__init__(
            input_channels,
            num_classes,
            deep,
            width,
            dropout_rate,
            drop_path_rate,
            bn_config,
            data_format,
            rng_key=rng_key,
            name=name,
        )

    def _inside(self, channels: int, expansion: int) -> int:
        return rounded(channels * expansion)

    def _head_channels(self, channels: int) -> int:
        return 4 * channels
