"""The network of the diffusion model: a small U-Net, told the angle and the class."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import pax

NO_CLASS = 10  # what stands for any of the classes 0 to 9


class ResidualBlock(pax.Module):
    """Two convolutions beside a way around them; between them, the condition scales and shifts."""

    def __init__(self, in_features: int, out_features: int, condition: int) -> None:
        super().__init__()
        self.norm1 = pax.GroupNorm(8, in_features)
        self.conv1 = pax.Conv2D(in_features, out_features, 3)
        self.modulation = pax.Linear(condition, 2 * out_features)
        self.norm2 = pax.GroupNorm(8, out_features)
        self.conv2 = pax.Conv2D(out_features, out_features, 3, w_init=jax.nn.initializers.zeros)
        same = in_features == out_features
        self.around = pax.Identity() if same else pax.Conv2D(in_features, out_features, 1)

    def __call__(self, x: jax.Array, condition: jax.Array) -> jax.Array:
        """Returns [B, side, side, out_features] for [B, side, side, in_features]."""
        scale, shift = jnp.split(self.modulation(condition)[:, None, None], 2, axis=-1)
        h = self.conv1(jax.nn.silu(self.norm1(x)))
        h = self.conv2(jax.nn.silu((1 + scale) * self.norm2(h) + shift))
        return self.around(x) + h


class UNet(pax.Module):
    """Halves the image twice and doubles it twice, with links between equal sizes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c, condition = channels, 4 * channels
        self.angle = pax.Sequential(
            pax.Linear(32, condition), jax.nn.silu, pax.Linear(condition, condition)
        )
        self.label = pax.Embed(NO_CLASS + 1, condition)
        self.stem = pax.Conv2D(1, c, 4, stride=2)
        self.down = ResidualBlock(c, c, condition)
        self.half = pax.Conv2D(c, 2 * c, 3, stride=2)
        self.middle = [ResidualBlock(2 * c, 2 * c, condition) for _ in range(2)]
        self.double = pax.Conv2DTranspose(2 * c, c, 4, stride=2)
        self.up = [ResidualBlock(2 * c, c, condition) for _ in range(2)]
        self.norm = pax.GroupNorm(8, c)
        self.head = pax.Conv2DTranspose(c, 1, 4, stride=2, w_init=jax.nn.initializers.zeros)

    def __call__(self, z: jax.Array, angle: jax.Array, label: jax.Array) -> jax.Array:
        """Returns the velocity, [B, side, side] like z, at an angle and of a class, both [B]."""
        waves = angle[:, None] * jnp.geomspace(1, 200, 16)[None]
        waves = jnp.concatenate([jnp.sin(waves), jnp.cos(waves)], axis=-1)
        condition = jax.nn.silu(self.angle(waves) + self.label(label))
        first = self.stem(z[..., None])  # [B, side / 2, side / 2, C]
        second = self.down(first, condition)
        h = self.half(second)  # [B, side / 4, side / 4, 2 C]
        for block in self.middle:
            h = block(h, condition)
        h = self.double(h)
        for block, link in zip(self.up, (second, first), strict=True):
            h = block(jnp.concatenate([h, link], axis=-1), condition)
        return self.head(jax.nn.silu(self.norm(h)))[..., 0]
