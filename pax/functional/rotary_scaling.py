"""Rotary frequencies for sequences longer than those of training: four scalings.

Each is a frozen value whose arguments have the names that files of models give them.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from pax._core import ArgumentError, arguments


@dataclasses.dataclass(frozen=True)
class RotaryScaling:
    """How rotary frequencies change; the base of the scalings.

    Example:
        >>> isinstance(pax.functional.LinearRotaryScaling(4.0), pax.functional.RotaryScaling)
        True
    """

    def frequencies(self, rotary_dim: int, theta: float) -> np.ndarray:
        """Returns the frequencies, in float64.

        Args:
            rotary_dim: R, the number of entries that are turned.
            theta: the base of the frequencies.
        Returns:
            Shape [R / 2]: theta^(-2 i / R), unless scaled.
        """
        return theta ** -(np.arange(0, rotary_dim, 2, dtype=np.float64) / rotary_dim)

    def magnitude(self) -> float:
        """Returns what the turned entries are multiplied by, in queries and in keys."""
        return 1.0

    def _check_positive(self, *names: str) -> None:
        for name in names:
            arguments.positive(type(self).__name__, name, getattr(self, name))

    def _check_factor(self, factor: float) -> None:
        name = type(self).__name__
        if not arguments.is_number(factor) or factor < 1:
            raise ArgumentError(
                f"{name} got factor={factor!r}; expected a number of at least 1.",
                "give how many times longer the sequences are than in training: factor=4.0.",
            )


@dataclasses.dataclass(frozen=True)
class LinearRotaryScaling(RotaryScaling):
    """Divides all rotary frequencies by a factor: position interpolation.

    f_i' = f_i / factor.

    Args:
        factor: how many times longer sequences may be than in training.
    Raises:
        ArgumentError: if factor is not a number of at least 1.
    Example:
        >>> scaling = pax.functional.LinearRotaryScaling(factor=4.0)
        >>> pax.RotaryEmbed(8, scaling=scaling)(jnp.ones((1, 5, 2, 8))).shape
        (1, 5, 2, 8)
    Source: Chen et al., "Extending context window of large language models via positional
        interpolation", 2023 (arXiv 2306.15595).
    """

    factor: float

    def __post_init__(self) -> None:
        self._check_factor(self.factor)

    def frequencies(self, rotary_dim: int, theta: float) -> np.ndarray:
        """Returns the frequencies, in float64.

        Args:
            rotary_dim: R, the number of entries that are turned.
            theta: the base of the frequencies.
        Returns:
            Shape [R / 2].
        """
        return super().frequencies(rotary_dim, theta) / self.factor


@dataclasses.dataclass(frozen=True)
class NTKRotaryScaling(RotaryScaling):
    """Raises the base of the rotary frequencies, so that the lowest is divided by a factor.

    f_i' = theta'^(-2 i / R) with theta' = theta factor^(R / (R - 2)): the lowest frequency is
    divided by the factor, the highest stays. The factor is fixed. The dynamic form, whose factor
    grows with the sequence, would turn the keys of a cache by angles that no longer hold; with
    the length L of all sequences known, it is
    factor = scale * L / original_length - (scale - 1).

    Args:
        factor: how many times longer sequences may be than in training.
    Raises:
        ArgumentError: if factor is not a number of at least 1.
    Example:
        >>> scaling = pax.functional.NTKRotaryScaling(factor=4.0)
        >>> print(scaling.frequencies(4, 10000.0))
        [1.     0.0025]
    Source: Peng et al., "YaRN: efficient context window extension of large language models", 2023
        (arXiv 2309.00071), section 3.1.
    """

    factor: float

    def __post_init__(self) -> None:
        self._check_factor(self.factor)

    def frequencies(self, rotary_dim: int, theta: float) -> np.ndarray:
        """Returns the frequencies, in float64.

        Args:
            rotary_dim: R, the number of entries that are turned.
            theta: the base of the frequencies.
        Returns:
            Shape [R / 2].
        """
        if rotary_dim > 2:  # of two entries there is one frequency, the highest, and it stays
            theta = theta * self.factor ** (rotary_dim / (rotary_dim - 2))
        return super().frequencies(rotary_dim, theta)


@dataclasses.dataclass(frozen=True)
class YarnRotaryScaling(RotaryScaling):
    """Divides low rotary frequencies by a factor, keeps high ones, and raises the scores.

    A frequency that turns beta_fast times or more over the original length stays; one that turns
    beta_slow times or less is divided by the factor; between them the share of the divided one
    grows linearly with its index i, as in the published code (the paper has it grow with the
    number of turns). Turned entries are multiplied by 0.1 log(factor) + 1, in queries and keys.

    Args:
        factor: how many times longer sequences may be than in training.
        original_max_position_embeddings: the longest sequence of training.
        beta_fast: turns from which on a frequency stays.
        beta_slow: turns up to which a frequency is divided.
        attention_factor: what turned entries are multiplied by; None works it out.
        mscale: a in the multiplier (0.1 a log(factor) + 1) / (0.1 b log(factor) + 1), for models
            that give both; without them, a = 1 and b = 0.
        mscale_all_dim: b in it.
        truncate: whether the bounds between kept, mixed and divided are whole indices.
    Raises:
        ArgumentError: if a number cannot be right, or attention_factor is given beside mscale.
    Example:
        >>> scaling = pax.functional.YarnRotaryScaling(4.0, 2048)
        >>> round(scaling.magnitude(), 4)
        1.1386
    Source: Peng et al., "YaRN: efficient context window extension of large language models", 2023
        (arXiv 2309.00071).
    """

    factor: float
    original_max_position_embeddings: int
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True

    def __post_init__(self) -> None:
        self._check_factor(self.factor)
        self._check_positive("original_max_position_embeddings", "beta_fast", "beta_slow")
        arguments.flags("YarnRotaryScaling", truncate=self.truncate)
        if self.beta_slow >= self.beta_fast:
            raise ArgumentError(
                f"YarnRotaryScaling got beta_fast={self.beta_fast!r} and "
                f"beta_slow={self.beta_slow!r}; expected beta_fast to be larger.",
                "leave both out: 32 and 1.",
            )
        for name in ("attention_factor", "mscale", "mscale_all_dim"):
            if getattr(self, name) is not None:
                self._check_positive(name)
        if (self.mscale is None) != (self.mscale_all_dim is None) or (
            self.mscale is not None and self.attention_factor is not None
        ):
            raise ArgumentError(
                f"YarnRotaryScaling got attention_factor={self.attention_factor!r}, "
                f"mscale={self.mscale!r} and mscale_all_dim={self.mscale_all_dim!r}; expected the "
                "first alone, the other two, or none.",
                "leave out what the file of the model has not.",
            )

    def frequencies(self, rotary_dim: int, theta: float) -> np.ndarray:
        """Returns the frequencies, in float64.

        Args:
            rotary_dim: R, the number of entries that are turned.
            theta: the base of the frequencies.
        Returns:
            Shape [R / 2].
        """
        plain = super().frequencies(rotary_dim, theta)

        def index_of(turns: float) -> float:
            length = self.original_max_position_embeddings
            return rotary_dim * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(theta))

        first, last = index_of(self.beta_fast), index_of(self.beta_slow)
        if self.truncate:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, rotary_dim - 1)
        # a step where both bounds are one index
        steps = (np.arange(rotary_dim // 2) - first) / max(last - first, 0.001)
        share = np.clip(steps, 0, 1)
        return plain * (1 - share) + plain / self.factor * share

    def magnitude(self) -> float:
        """Returns what the turned entries are multiplied by, in queries and in keys."""
        if self.attention_factor is not None:
            return float(self.attention_factor)
        log = 0.1 * math.log(self.factor)
        if self.mscale is not None and self.mscale_all_dim is not None:
            return (self.mscale * log + 1) / (self.mscale_all_dim * log + 1)
        return log + 1


@dataclasses.dataclass(frozen=True)
class Llama3RotaryScaling(RotaryScaling):
    """Divides low rotary frequencies by a factor and keeps high ones, as Llama 3.1 and later.

    With n = L f / (2 pi) the turns of a frequency f over the original length L: f stays where
    n >= high_freq_factor, is divided by the factor where n <= low_freq_factor, and between them
    f' = (1 - m) f / factor + m f, with
    m = (n - low_freq_factor) / (high_freq_factor - low_freq_factor).

    Args:
        factor: how many times longer sequences may be than in training.
        low_freq_factor: turns up to which a frequency is divided.
        high_freq_factor: turns from which on a frequency stays.
        original_max_position_embeddings: L, the longest sequence of training.
    Raises:
        ArgumentError: if a number cannot be right.
    Example:
        >>> scaling = pax.functional.Llama3RotaryScaling(8.0, 1.0, 4.0, 8192)
        >>> print(scaling.frequencies(4, 10000.0))
        [1.   0.01]
    Source: Grattafiori et al., "The Llama 3 herd of models", 2024 (arXiv 2407.21783), and the code
        published with it.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int

    def __post_init__(self) -> None:
        self._check_factor(self.factor)
        self._check_positive(
            "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"
        )
        if self.low_freq_factor >= self.high_freq_factor:
            raise ArgumentError(
                f"Llama3RotaryScaling got low_freq_factor={self.low_freq_factor!r} and "
                f"high_freq_factor={self.high_freq_factor!r}; expected the latter to be larger.",
                "take the numbers of the model's file, for Llama 3.1 1.0 and 4.0.",
            )

    def frequencies(self, rotary_dim: int, theta: float) -> np.ndarray:
        """Returns the frequencies, in float64.

        Args:
            rotary_dim: R, the number of entries that are turned.
            theta: the base of the frequencies.
        Returns:
            Shape [R / 2].
        """
        plain = super().frequencies(rotary_dim, theta)
        turns = self.original_max_position_embeddings * plain / (2 * math.pi)
        width = self.high_freq_factor - self.low_freq_factor
        kept = np.clip((turns - self.low_freq_factor) / width, 0, 1)
        return (1 - kept) * plain / self.factor + kept * plain
