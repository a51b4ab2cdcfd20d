"""The face of the initializers: functions that draw first weights, `init(rng_key, shape)`.

Those of `jax.nn.initializers` have its names, arguments and values, bit for bit, but share a
handful of compiled programs between all shapes.
"""

from pax.initializers.base import Initializer as Initializer
from pax.initializers.constants import constant as constant
from pax.initializers.constants import ones as ones
from pax.initializers.constants import zeros as zeros
from pax.initializers.identity import dirac as dirac
from pax.initializers.identity import identity as identity
from pax.initializers.kaiming import kaiming_normal as kaiming_normal
from pax.initializers.kaiming import kaiming_uniform as kaiming_uniform
from pax.initializers.laws import normal as normal
from pax.initializers.laws import truncated_normal as truncated_normal
from pax.initializers.laws import uniform as uniform
from pax.initializers.laws import uniform_between as uniform_between
from pax.initializers.orthogonal import delta_orthogonal as delta_orthogonal
from pax.initializers.orthogonal import orthogonal as orthogonal
from pax.initializers.presets import glorot_normal as glorot_normal
from pax.initializers.presets import glorot_uniform as glorot_uniform
from pax.initializers.presets import he_normal as he_normal
from pax.initializers.presets import he_uniform as he_uniform
from pax.initializers.presets import lecun_normal as lecun_normal
from pax.initializers.presets import lecun_uniform as lecun_uniform
from pax.initializers.scaling import variance_scaling as variance_scaling
from pax.initializers.sparse import sparse as sparse
