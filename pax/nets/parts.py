"""Makes the convolutions and norms of one network, which are alike in much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pax._core import ArgumentError
from pax.nn import BatchNorm2D, Conv2D

#: Orders of the axes of images.
FORMATS = ("NCHW", "NHWC")
BN_ARGUMENTS = ("create_scale", "create_offset", "decay_rate", "eps")


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


def checked_bn(network: str, bn_config: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Returns the arguments of batch norms; raises if there are others among them."""
    bn_config = {} if bn_config is None else bn_config
    unknown = [name for name in bn_config if name not in BN_ARGUMENTS]
    if unknown:
        raise ArgumentError(
            f"{network} got {', '.join(map(repr, unknown))} in bn_config; expected "
            f"{', '.join(BN_ARGUMENTS)}.",
            "write bn_config={'decay_rate': 0.9}; the network sets the rest.",
        )
    return bn_config
