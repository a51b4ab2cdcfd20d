"""The face of what may still change."""

from pax._core import mutable as mutable
