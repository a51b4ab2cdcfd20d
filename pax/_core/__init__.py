"""The face of the core: what the floors above may import."""

import pax._core.pickling  # noqa: F401  # registers how JAX functions pickle
from pax._core.empty import EmptyNode as EmptyNode
from pax._core.errors import ArgumentError as ArgumentError
from pax._core.errors import CallError as CallError
from pax._core.errors import DtypeError as DtypeError
from pax._core.errors import PaxError as PaxError
from pax._core.errors import PurityError as PurityError
from pax._core.errors import ShapeError as ShapeError
from pax._core.errors import StructureError as StructureError
from pax._core.jax_compat import define_prng as define_prng
from pax._core.jax_compat import is_tracing as is_tracing
from pax._core.kinds import ParameterModule as ParameterModule
from pax._core.kinds import StateModule as StateModule
from pax._core.module import Module as Module
from pax._core.node import is_jax_leaf as is_jax_leaf
from pax._core.partition import parameters_method as parameters_method
from pax._core.partition import some as some
from pax._core.pure import module_and_value as module_and_value
from pax._core.pure import mutable as mutable
from pax._core.pure import pure as pure
from pax._core.pure import purecall as purecall
from pax._core.pytree import flatten as flatten
from pax._core.rng import key_of as key_of
from pax._core.rng import key_or_next as key_or_next
from pax._core.rng import next_rng_key as next_rng_key
from pax._core.rng import seed_rng_key as seed_rng_key
from pax._core.transforms import assert_structure_equal as assert_structure_equal
from pax._core.transforms import enable_eval_mode as enable_eval_mode
from pax._core.transforms import enable_train_mode as enable_train_mode
from pax._core.transforms import freeze_parameters as freeze_parameters
from pax._core.transforms import grad as grad
from pax._core.transforms import scan as scan
from pax._core.transforms import select_parameters as select_parameters
from pax._core.transforms import unfreeze_parameters as unfreeze_parameters
from pax._core.transforms import update_parameters as update_parameters
from pax._core.transforms import value_and_grad as value_and_grad
