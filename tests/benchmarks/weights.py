"""The same weights for every contender: those of the hand-written one, under others' names.

`Weights` are arrays by the dotted names of the hand-written model; dense weights are [in, out],
kernels HWIO.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.task import Task
from tests.benchmarks.recurrent_weights import Weights, gru_weights, lstm_weights

#: What turns a library's names into these, in order.
RENAMING: dict[str, list[tuple[str, str]]] = {
    "jax": [],
    "pax": [
        (r"layers\.stacked", "layers"),
        (r"_projection", ""),
        (r"attn_layer_norm", "attention_norm"),
        (r"dense_layer_norm", "dense_norm"),
        (r"dense_block\.", ""),
        (r"layer_norm_output", "norm"),
        (r"^rnn\.", ""),
        (r"cell\.fc", "cell"),
        (r"cell\.xh_zr_fc", "gates"),
        (r"cell\.xh_h_fc", "candidate"),
    ],
    "equinox": [(r"_proj\b", ""), (r"norm\.weight", "norm.scale"), (r"norm\.bias", "norm.offset")],
    "nnx": [(r"\.out\.", ".output."), (r"norm\.bias", "norm.offset"), (r"kernel", "weight")],
    "haiku": [
        (r"~/", ""),
        (r"/", "."),
        (r"^mlp\.", ""),
        (r"^linear(?=\.)", "linear_0"),
        (r"^linear_(\d+)", r"layers.\1"),
        (r"attention\.linear", "attention.output"),
        (r"cell\.linear", "cell"),
        (r"^(layers\.)+layer\.", r"layers."),
        (r"\b(layer|block|unit|conv)(\d+)", r"\1s.\2"),
        (r"\bw$", "weight"),
        (r"\bb$", "bias"),
    ],
    "torch": [(r"norm\.weight", "norm.scale"), (r"norm\.bias", "norm.offset")],
}

#: Keep dense weights as [out, in], kernels as OIHW, and images as CHW.
CHANNELS_FIRST = ("equinox", "torch")


def randomized(task: Task, seed: int = 0) -> Weights:
    """Returns the weights of the hand-written model, moved by noise: biases too are not zero."""
    draw = np.random.default_rng(seed)
    leaves = jax.tree_util.tree_leaves_with_path(task.params)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf)
        + 0.1 * draw.standard_normal(leaf.shape, np.float32)
        for path, leaf in leaves
    }


def load(contender: str, model: str, task: Any, weights: Weights) -> None:
    """Puts weights into a constructed task, each into one place."""
    if model.startswith("lstm"):
        weights = lstm_weights(contender, weights)
    elif model.startswith("gru"):
        weights = gru_weights(contender, weights)
    used: set[str] = set()

    def find(name: str, shape: tuple[int, ...]) -> np.ndarray:
        for pattern, new in RENAMING[contender]:
            name = re.sub(pattern, new, name)
        used.add(name)
        return arranged(contender, name, weights, shape)

    LOADERS[contender](task, find)
    assert used == weights.keys()


def arranged(contender: str, name: str, weights: Weights, shape: tuple[int, ...]) -> np.ndarray:
    """Returns an array in the layout of a library."""
    array = weights[name]
    if contender in CHANNELS_FIRST:
        if name == "hidden.weight":  # from an image, whose channels come first here
            channels = weights["convs.1.weight"].shape[-1]
            side = round((array.shape[0] / channels) ** 0.5)
            image = array.reshape(side, side, channels, -1)
            array = image.transpose(2, 0, 1, 3).reshape(array.shape)
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif "weight" in name:
            array = array.swapaxes(-1, -2)
    assert array.size == np.prod(shape)
    return array.reshape(shape)


Find = Callable[[str, tuple[int, ...]], np.ndarray]


def replaced(tree: Any, find: Find) -> Any:
    """Returns a tree with all its arrays replaced by those of their names."""
    return jax.tree_util.tree_map_with_path(
        lambda path, x: jax.numpy.asarray(
            find(jax.tree_util.keystr(path, simple=True, separator="."), x.shape)
        ),
        tree,
    )


def load_params(task: Any, find: Find) -> None:
    task.params = replaced(task.params, find)


def load_pax(task: Any, find: Find) -> None:
    task.model = task.model.update_parameters(replaced(task.model.parameters(), find))
    if hasattr(task, "state"):
        task.state = task.state.replace(model=task.model)


def load_equinox(task: Any, find: Find) -> None:
    import equinox as eqx

    arrays, static = eqx.partition(task.model, eqx.is_array)
    task.model = eqx.combine(replaced(arrays, find), static)


def load_nnx(task: Any, find: Find) -> None:
    from flax import nnx

    for path, variable in nnx.to_flat_state(nnx.state(task.model, nnx.Param)):
        new = find(".".join(map(str, path)), variable.shape)
        variable.set_value(jax.numpy.asarray(new))


def load_torch(task: Any, find: Find) -> None:
    import torch

    names = [name for name, _ in task.model.named_parameters()]
    places = sorted({int(n.split(".")[0]) for n in names if n[0].isdigit()})  # in a Sequential
    with torch.no_grad():
        for name, param in task.model.named_parameters():
            head, _, rest = name.partition(".")
            place = f"layers.{places.index(int(head))}.{rest}" if head.isdigit() else name
            param.copy_(torch.tensor(find(place, tuple(param.shape))))


def parameters(contender: str, task: Any) -> list[tuple[int, ...]]:
    """Returns the shapes of the parameters of a task."""
    shapes: list[tuple[int, ...]] = []

    def note(name: str, shape: tuple[int, ...]) -> np.ndarray:
        shapes.append(shape)
        return np.zeros(shape, np.float32)

    LOADERS[contender](task, note)
    return shapes


LOADERS = {
    "jax": load_params,
    "pax": load_pax,
    "equinox": load_equinox,
    "nnx": load_nnx,
    "haiku": load_params,
    "torch": load_torch,
}
