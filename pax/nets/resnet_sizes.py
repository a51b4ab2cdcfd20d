"""The residual networks of the published sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pax.nets.resnet import ResNet


class SizedResNet(ResNet):
    """What the residual networks of fixed size have in common.

    Args:
        input_channels: C, number of channels of the images.
        num_classes: number of scores.
        bn_config: arguments of every batch norm.
        resnet_v2: whether the blocks are those of version 2.
        data_format: "NCHW" or "NHWC".
        rng_key: random key of the initial values.
        name: name of the module.
    """

    _blocks_per_group: ClassVar[tuple[int, ...]]
    _bottleneck: ClassVar[bool] = True

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        *,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        channels = (256, 512, 1024, 2048) if self._bottleneck else (64, 128, 256, 512)
        super().__init__(
            input_channels,
            self._blocks_per_group,
            num_classes,
            bn_config,
            resnet_v2,
            self._bottleneck,
            channels,
            data_format=data_format,
            rng_key=rng_key,
            name=name,
        )


class ResNet18(SizedResNet):
    """The residual network of 18 layers.

    `ResNet` with 2, 2, 2 and 2 blocks of two convolutions, and 64 to 512 channels. It takes
    `input_channels, num_classes, bn_config, resnet_v2, data_format, rng_key, name`, as `ResNet`.

    Example:
        >>> make = lambda key: pax.nets.ResNet18(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        11689512
    """

    _blocks_per_group = (2, 2, 2, 2)
    _bottleneck = False


class ResNet34(SizedResNet):
    """The residual network of 34 layers.

    `ResNet` with 3, 4, 6 and 3 blocks of two convolutions, and 64 to 512 channels. It takes
    `input_channels, num_classes, bn_config, resnet_v2, data_format, rng_key, name`, as `ResNet`.

    Example:
        >>> make = lambda key: pax.nets.ResNet34(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        21797672
    """

    _blocks_per_group = (3, 4, 6, 3)
    _bottleneck = False


class ResNet50(SizedResNet):
    """The residual network of 50 layers.

    `ResNet` with 3, 4, 6 and 3 blocks of three convolutions, and 256 to 2048 channels. It takes
    `input_channels, num_classes, bn_config, resnet_v2, data_format, rng_key, name`, as `ResNet`.

    Example:
        >>> make = lambda key: pax.nets.ResNet50(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        25557032
    """

    _blocks_per_group = (3, 4, 6, 3)


class ResNet101(SizedResNet):
    """The residual network of 101 layers.

    `ResNet` with 3, 4, 23 and 3 blocks of three convolutions, and 256 to 2048 channels. It takes
    `input_channels, num_classes, bn_config, resnet_v2, data_format, rng_key, name`, as `ResNet`.

    Example:
        >>> make = lambda key: pax.nets.ResNet101(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        44549160
    """

    _blocks_per_group = (3, 4, 23, 3)


class ResNet152(SizedResNet):
    """The residual network of 152 layers.

    `ResNet` with 3, 8, 36 and 3 blocks of three convolutions, and 256 to 2048 channels. It takes
    `input_channels, num_classes, bn_config, resnet_v2, data_format, rng_key, name`, as `ResNet`.

    Example:
        >>> make = lambda key: pax.nets.ResNet152(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        60192808
    """

    _blocks_per_group = (3, 8, 36, 3)


class ResNet200(SizedResNet):
    """The residual network of 200 layers.

    `ResNet` with 3, 24, 36 and 3 blocks of three convolutions, and 256 to 2048 channels. It takes
    `input_channels, num_classes, bn_config, resnet_v2, data_format, rng_key, name`, as `ResNet`.

    Example:
        >>> make = lambda key: pax.nets.ResNet200(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        64673832
    """

    _blocks_per_group = (3, 24, 36, 3)
