"""The weights of a decoder of torch in that of pax, with more spread than they start with."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import torch

import pax

#: Our names of the parts of a block.
PARTS = {
    "attention_norm.scale": "attention_norm",
    "attention.query_projection.weight": "query",
    "attention.key_projection.weight": "key",
    "attention.value_projection.weight": "value",
    "attention.output_projection.weight": "output",
    "feed_forward_norm.scale": "dense_norm",
    "feed_forward.modules.0.weight": "up_and_gate",
    "feed_forward.modules.1.weight": "down",
}


def load_decoder(ours: Any, theirs: Any) -> Any:
    """Draws the weights of torch's model anew, and returns ours with them."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw) * 0.5 + (weight.ndim == 1))
    found = {"tokens.weight": array(theirs.tokens), "norm.scale": array(theirs.norm)}
    blocks = [
        {name: array(getattr(b, part)) for name, part in PARTS.items()} for b in theirs.blocks
    ]
    is_list = isinstance(ours.blocks, pax.Sequential)
    for name in PARTS:
        parts = [block[name] for block in blocks]
        if is_list:
            found |= {f"blocks.modules.{i}.{name}": part for i, part in enumerate(parts)}
        else:
            found[f"blocks.stacked.{name}"] = jnp.stack(parts)
    tree = jax.tree_util
    leaves, treedef = tree.tree_flatten_with_path(ours.parameters())
    paths = [tree.keystr(path, simple=True, separator=".") for path, _ in leaves]
    assert sorted(paths) == sorted(found)
    return ours.update_parameters(treedef.unflatten([found[path] for path in paths]))


def array(layer: Any) -> Any:
    """Returns the weight of a layer of torch in our layout."""
    weight = layer.weight.detach().numpy()
    return jnp.asarray(weight if weight.ndim == 1 or is_table(layer) else weight.T)


def is_table(layer: Any) -> bool:
    return isinstance(layer, torch.nn.Embedding)
