"""The face of mixed precision: policies, and scales of the loss."""

from pax.precision.apply import apply_mp_policy as apply_mp_policy
from pax.precision.apply import unwrap_mp_policy as unwrap_mp_policy
from pax.precision.default import default_mp_policy as default_mp_policy
from pax.precision.loss_scale import DynamicLossScale as DynamicLossScale
from pax.precision.loss_scale import StaticLossScale as StaticLossScale
from pax.precision.policy import Policy as Policy
