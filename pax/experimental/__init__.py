"""The face of what may still change."""

from pax._core import mutable as mutable
from pax.precision import default_mp_policy as default_mp_policy
