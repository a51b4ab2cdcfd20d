"""The plain models of dense layers, and the one that does nothing."""

from __future__ import annotations

import itertools

from torch import nn

from benchmarks import sizes as of


def identity(sizes: of.Identity) -> nn.Module:
    return nn.Identity()


def dense(sizes: of.Dense) -> nn.Module:
    return nn.Sequential(*[nn.Linear(sizes.width, sizes.width) for _ in range(sizes.depth)])


def mlp(sizes: of.MLP) -> nn.Module:
    layers: list[nn.Module] = []
    for pair in itertools.pairwise(sizes.widths()):
        layers += [nn.Linear(*pair), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
