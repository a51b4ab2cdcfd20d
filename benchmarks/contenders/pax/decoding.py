"""A language model after Llama that decodes over a cache."""

from __future__ import annotations

import functools

import jax
import numpy as np

import pax
from benchmarks.sizes import Decoding

Llama = pax.nets.Llama


def stacked(sizes: Decoding) -> Llama:
    """Returns the model as it is built: one program for all blocks."""
    return Llama(
        sizes.vocab_size,
        dim=sizes.width,
        num_heads=sizes.heads,
        num_layers=sizes.layers,
        hidden_dim=sizes.hidden,
        num_kv_heads=sizes.kv_heads,
        tied=True,
    ).eval()


def listed(sizes: Decoding) -> Llama:
    """Returns the model as its page recommends for writing on a CPU: a list of blocks."""
    net = stacked(sizes)
    return net.replace(blocks=pax.Sequential(*net.blocks.unstack()))


BUILD = {"decoding": listed, "decoding_stacked": stacked}


class DecodingTask:
    """Writes the likeliest tokens after one of each row."""

    def __init__(self, model: str, sizes: Decoding) -> None:
        self.build, self.sizes = BUILD[model], sizes
        self.start = np.arange(sizes.batch, dtype=np.int32)[:, None]
        self._write = functools.partial(pax.generation.generate, max_new_tokens=sizes.time)

    def construct(self) -> None:
        self.model = jax.block_until_ready(self.build(self.sizes))

    def evaluate(self) -> None:
        self._write(self.model, self.start).tokens.block_until_ready()

    def outputs(self) -> np.ndarray:
        return np.asarray(self._write(self.model, self.start).tokens)
