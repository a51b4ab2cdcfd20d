"""The face of what may still change."""

from pax._core import mutable as mutable
from pax.experimental import graph as graph
from pax.experimental.flattener import Flattener as Flattener
from pax.experimental.lazy import LazyModule as LazyModule
from pax.experimental.weights import load_weights_from_dict as load_weights_from_dict
from pax.experimental.weights import save_weights_to_dict as save_weights_to_dict
from pax.optim import apply_scaled_gradients as apply_scaled_gradients
from pax.precision import default_mp_policy as default_mp_policy
