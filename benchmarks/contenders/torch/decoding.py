"""A language model after Llama that decodes over a cache made in advance."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.sizes import Decoding


class Block(nn.Module):
    def __init__(self, sizes: Decoding) -> None:
        super().__init__()
        self.heads, self.kv_heads = sizes.heads, sizes.kv_heads
        self.key_size = sizes.width // sizes.heads
        kv_width = sizes.kv_heads * self.key_size
        self.attention_norm = nn.RMSNorm(sizes.width, 1e-5)
        self.query = nn.Linear(sizes.width, sizes.width, bias=False)
        self.key = nn.Linear(sizes.width, kv_width, bias=False)
        self.value = nn.Linear(sizes.width, kv_width, bias=False)
        self.output = nn.Linear(sizes.width, sizes.width, bias=False)
        self.dense_norm = nn.RMSNorm(sizes.width, 1e-5)
        self.up_and_gate = nn.Linear(sizes.width, 2 * sizes.hidden, bias=False)
        self.down = nn.Linear(sizes.hidden, sizes.width, bias=False)

    def forward(self, x: Tensor, cache: Tensor, t: int, turn: tuple[Tensor, Tensor]) -> Tensor:
        y = self.attention_norm(x)
        query, key, value = (
            f(y).view(len(x), -1, 1, self.key_size) for f in (self.query, self.key, self.value)
        )
        cache[0, :, :, t] = rotated(key, turn)[:, :, 0]
        cache[1, :, :, t] = value[:, :, 0]
        seen = cache[:, :, :, : t + 1]
        y = F.scaled_dot_product_attention(rotated(query, turn), *seen, enable_gqa=True)
        x = x + self.output(y.reshape(len(x), -1))
        up, gate = self.up_and_gate(self.dense_norm(x)).chunk(2, dim=-1)
        return x + self.down(up * F.silu(gate))


class LanguageModel(nn.Module):
    def __init__(self, sizes: Decoding) -> None:
        super().__init__()
        self.sizes = sizes
        self.tokens = nn.Embedding(sizes.vocab_size, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.norm = nn.RMSNorm(sizes.width, 1e-5)
        key_size = sizes.width // sizes.heads
        frequencies = 10_000.0 ** -(torch.arange(0, key_size, 2) / key_size)
        angles = torch.arange(sizes.time)[:, None] * frequencies
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def make_cache(self) -> Tensor:
        sizes = self.sizes
        shape = (sizes.batch, sizes.kv_heads, sizes.time, sizes.width // sizes.heads)
        return torch.zeros(sizes.layers, 2, *shape)

    def decode(self, tokens: Tensor, cache: Tensor, t: int) -> Tensor:
        x = self.tokens(tokens)
        for block, part in zip(self.blocks, cache, strict=True):
            x = block(x, part, t, (self.cos[t], self.sin[t]))
        return F.linear(self.norm(x), self.tokens.weight)

    @torch.inference_mode()
    def generate(self, tokens: Tensor) -> Tensor:
        """Returns the likeliest tokens [B, T] after one of each row."""
        cache, found = self.make_cache(), []
        for t in range(self.sizes.time):
            tokens = self.decode(tokens, cache, t).argmax(dim=-1)
            found.append(tokens)
        return torch.stack(found, dim=1)


def rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Returns heads turned by the angle of their position: entries i and i + K / 2 are a pair."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = turn
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class DecodingTask:
    """Writes the likeliest tokens after one of each row."""

    def __init__(self, sizes: Decoding) -> None:
        self.sizes = sizes
        self.start = torch.arange(sizes.batch)

    def construct(self) -> None:
        self.model = LanguageModel(self.sizes).eval()

    def evaluate(self) -> None:
        self.model.generate(self.start)

    def outputs(self) -> np.ndarray:
        return self.model.generate(self.start).numpy()
