"""Data formats: the order of the axes of a sequence, image or volume, a letter for each."""

from __future__ import annotations

import string


def with_letters(data_format: str, num_spatial_dims: int) -> str:
    """Returns a data format with a letter for each spatial axis that `...` stands for.

    Args:
        data_format: such as "N...C" or "NHWC"; N is the batch, C the channels.
        num_spatial_dims: number of the axes that are neither.
    """
    count = num_spatial_dims
    letters = "DHW"[-count:] if count <= 3 else string.ascii_lowercase[:count]
    return data_format.replace("...", letters)
