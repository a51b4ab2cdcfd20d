"""The names that PAX programs import from `pax.utils`."""

from pax._core import grad as grad
from pax._core import scan as scan
from pax.optim import build_update_fn as build_update_fn
