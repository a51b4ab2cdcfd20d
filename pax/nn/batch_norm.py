"""Batch normalisation over one to three axes of space."""

from __future__ import annotations

from collections.abc import Sequence

from pax.nn.batch_norm_base import BatchNorm


class BatchNorm1D(BatchNorm):
    """Batch normalisation over batch and one spatial axis.

    y = (x - mean) / sqrt(variance + eps) * scale + offset, with one mean and variance a channel.
    In training mode they are those of the batch, the variance being the mean squared deviation,
    and `ema_mean` and `ema_var` follow them: the first batch replaces the initial averages,
    later ones enter with weight 1 - decay_rate. In evaluation mode these averages are used.

    Args:
        num_channels: C, number of channels.
        create_scale: whether there is a trainable scale; without it, `scale` is None.
        create_offset: whether there is a trainable offset; without it, `offset` is None.
        decay_rate: weight of the past in the running averages; torch's momentum is 1 minus this.
        eps: added to the variance.
        data_format: "NWC" (batch, width, channels) or "NCW".
        axis_name: name of a mapped axis (`jax.vmap`, `jax.shard_map`) that the batch spans, or
            several names: training averages over them too. Needless under `jit`, where the
            statistics are those of the whole batch however it is sharded.
        unbiased_variance: whether `ema_var` follows the unbiased variance, deviations divided by
            their number less one, as in torch.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (8, 5, 3))
        >>> norm, y = pax.purecall(pax.BatchNorm1D(3), x)
        >>> norm.ema_mean.averages.shape
        (1, 1, 3)
    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
        reducing internal covariate shift", 2015 (arXiv 1502.03167).
    """

    _formats = ("NWC", "NCW")

    def __init__(
        self,
        num_channels: int,
        create_scale: bool = True,
        create_offset: bool = True,
        decay_rate: float = 0.9,
        eps: float = 1e-5,
        data_format: str = "NWC",
        *,
        axis_name: str | Sequence[str] | None = None,
        unbiased_variance: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            num_channels,
            create_scale,
            create_offset,
            decay_rate,
            eps,
            data_format,
            axis_name=axis_name,
            unbiased_variance=unbiased_variance,
            name=name,
        )


class BatchNorm2D(BatchNorm):
    """Batch normalisation over batch and two spatial axes.

    y = (x - mean) / sqrt(variance + eps) * scale + offset, as in `BatchNorm1D`.

    Args:
        num_channels: C, number of channels.
        create_scale: whether there is a trainable scale; without it, `scale` is None.
        create_offset: whether there is a trainable offset; without it, `offset` is None.
        decay_rate: weight of the past in the running averages; torch's momentum is 1 minus this.
        eps: added to the variance.
        data_format: "NHWC" (batch, height, width, channels) or "NCHW".
        axis_name: name of a mapped axis (`jax.vmap`, `jax.shard_map`) that the batch spans, or
            several names: training averages over them too. Needless under `jit`, where the
            statistics are those of the whole batch however it is sharded.
        unbiased_variance: whether `ema_var` follows the unbiased variance, deviations divided by
            their number less one, as in torch.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (8, 5, 5, 3))
        >>> norm, y = pax.purecall(pax.BatchNorm2D(3), x)
        >>> norm.eval()(x).shape
        (8, 5, 5, 3)
    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
        reducing internal covariate shift", 2015 (arXiv 1502.03167).
    """

    _formats = ("NHWC", "NCHW")

    def __init__(
        self,
        num_channels: int,
        create_scale: bool = True,
        create_offset: bool = True,
        decay_rate: float = 0.9,
        eps: float = 1e-5,
        data_format: str = "NHWC",
        *,
        axis_name: str | Sequence[str] | None = None,
        unbiased_variance: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            num_channels,
            create_scale,
            create_offset,
            decay_rate,
            eps,
            data_format,
            axis_name=axis_name,
            unbiased_variance=unbiased_variance,
            name=name,
        )


class BatchNorm3D(BatchNorm):
    """Batch normalisation over batch and three spatial axes.

    y = (x - mean) / sqrt(variance + eps) * scale + offset, as in `BatchNorm1D`.

    Args:
        num_channels: C, number of channels.
        create_scale: whether there is a trainable scale; without it, `scale` is None.
        create_offset: whether there is a trainable offset; without it, `offset` is None.
        decay_rate: weight of the past in the running averages; torch's momentum is 1 minus this.
        eps: added to the variance.
        data_format: "NDHWC" (batch, depth, height, width, channels) or "NCDHW".
        axis_name: name of a mapped axis (`jax.vmap`, `jax.shard_map`) that the batch spans, or
            several names: training averages over them too. Needless under `jit`, where the
            statistics are those of the whole batch however it is sharded.
        unbiased_variance: whether `ema_var` follows the unbiased variance, deviations divided by
            their number less one, as in torch.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (8, 4, 5, 5, 3))
        >>> norm, y = pax.purecall(pax.BatchNorm3D(3), x)
        >>> norm.eval()(x).shape
        (8, 4, 5, 5, 3)
    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
        reducing internal covariate shift", 2015 (arXiv 1502.03167).
    """

    _formats = ("NDHWC", "NCDHW")

    def __init__(
        self,
        num_channels: int,
        create_scale: bool = True,
        create_offset: bool = True,
        decay_rate: float = 0.9,
        eps: float = 1e-5,
        data_format: str = "NDHWC",
        *,
        axis_name: str | Sequence[str] | None = None,
        unbiased_variance: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            num_channels,
            create_scale,
            create_offset,
            decay_rate,
            eps,
            data_format,
            axis_name=axis_name,
            unbiased_variance=unbiased_variance,
            name=name,
        )
