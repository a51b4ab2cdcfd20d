"""Makes the convolutions and norms of one network, which are alike in much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pax.nn import BatchNorm2D, Conv2D

#: Orders of the axes of images.
FORMATS = ("NCHW", "NHWC")


class Parts(NamedTuple):
    """Makes the layers of one network, which have its data format, norm settings and keys."""

    data_format: str
    bn_config: Mapping[str, Any]
    keys: Iterator[Any]

    def conv(
        self, in_features: int, out_features: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> Conv2D:
        """Returns a convolution without bias, padded by half a kernel on every side."""
        return Conv2D(
            in_features,
            out_features,
            kernel,
            stride=stride,
            padding=[(kernel // 2, kernel // 2)] * 2,
            with_bias=False,
            data_format=self.data_format,
            feature_group_count=groups,
            rng_key=next(self.keys),
        )

    def norm(self, num_channels: int) -> BatchNorm2D:
        """Returns a batch norm."""
        return BatchNorm2D(num_channels, data_format=self.data_format, **self.bn_config)
