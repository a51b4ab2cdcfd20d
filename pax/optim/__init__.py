"""The face of optimizers and of the steps they take."""

from pax.optim.gradient_norm import GradientNormState as GradientNormState
from pax.optim.gradient_norm import record_gradient_norm as record_gradient_norm
from pax.optim.gradients import apply_gradients as apply_gradients
from pax.optim.optimizer import Optimizer as Optimizer
from pax.optim.scaled import apply_scaled_gradients as apply_scaled_gradients
from pax.optim.train_state import TrainState as TrainState
from pax.optim.train_step import build_train_step as build_train_step
from pax.optim.update import build_update_fn as build_update_fn
