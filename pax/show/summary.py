"""A module as a text tree."""

from __future__ import annotations

from pax._core import Module


def summary(module: Module, return_list: bool = False) -> str | list[str]:
    """Returns the tree of modules as text; this is `Module.summary`.

    Args:
        module: the module.
        return_list: whether to return the lines, not one string.
    Returns:
        The text, or its lines.
    Example:
        >>> print(pax.show.summary(pax.Sequential(jax.nn.relu)))
        Sequential
        └── x => relu(x)
    """
    lines = _lines(module)
    return lines if return_list else "\n".join(lines)


def _lines(module: Module) -> list[str]:
    lines = [repr(module)]
    below = [] if module._summary_as_one_line else module.submodules()
    for i, sub in enumerate(below):
        is_last = i == len(below) - 1
        first, *rest = sub.summary(return_list=True)
        lines.append(("└── " if is_last else "├── ") + first)
        lines += [("    " if is_last else "│   ") + line for line in rest]
    return lines
