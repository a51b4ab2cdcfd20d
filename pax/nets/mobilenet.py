"""A small network over images, for small machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from pax.nets.inverted_residual import InvertedResidualNet, checked_stages, rounded

HEAD_CHANNELS = 1280

#: Table 2 of the paper: expansion, channels, blocks, stride.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(InvertedResidualNet):
    """A MobileNetV2: images in, one score for each class out.

    A 3x3 convolution of stride 2; inverted residual blocks: 1x1 to some times the channels, 3x3
    in each channel apart, 1x1 to the output channels, and the input is added where the shape is
    the same; a 1x1 convolution to 1280 channels; the mean over space; dropout; a dense layer.
    The convolutions have no bias; each has a batch norm, and relu6 but at the end of a block.

    Args:
        input_channels: C, number of channels of the images.
        num_classes: number of scores.
        width: factor of the numbers of channels, which are rounded to multiples of 8; the last
            convolution keeps 1280 at least.
        stages: blocks that are alike, each (expansion, channels, num_blocks, stride), and a
            kernel size if it is not 3; the first block of a stage has its stride.
        dropout_rate: probability, in [0, 1), that while training an element of what the dense
            layer reads becomes zero. The key comes from `rng_seq`.
        bn_config: arguments of every batch norm: create_scale, create_offset, decay_rate, eps.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC".
        rng_key: random key of the initial values and of `rng_seq`; by default keys of
            `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> make = lambda key: pax.nets.MobileNetV2(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        3504872
    Source: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018
        (arXiv 1801.04381).
    """

    _activation = staticmethod(jax.nn.relu6)
    _squeezes = False

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        width: float = 1.0,
        stages: Sequence[Sequence[int]] = STAGES,
        dropout_rate: float = 0.2,
        bn_config: Mapping[str, Any] | None = None,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            input_channels,
            num_classes,
            checked_stages("MobileNetV2", stages),
            width,
            dropout_rate,
            0.0,
            bn_config,
            data_format,
            rng_key=rng_key,
            name=name,
        )

    def _inside(self, channels: int, expansion: int) -> int:
        return channels * expansion

    def _head_channels(self, channels: int) -> int:
        return rounded(HEAD_CHANNELS * max(1.0, self.width))
