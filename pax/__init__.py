"""Neural networks on JAX: modules are pytrees, functions are pure."""

from pax._core import ArgumentError as ArgumentError
from pax._core import CallError as CallError
from pax._core import DtypeError as DtypeError
from pax._core import EmptyNode as EmptyNode
from pax._core import Module as Module
from pax._core import ParameterModule as ParameterModule
from pax._core import PaxError as PaxError
from pax._core import PurityError as PurityError
from pax._core import ShapeError as ShapeError
from pax._core import StateModule as StateModule
from pax._core import StructureError as StructureError
from pax._core import assert_structure_equal as assert_structure_equal
from pax._core import enable_eval_mode as enable_eval_mode
from pax._core import enable_train_mode as enable_train_mode
from pax._core import freeze_parameters as freeze_parameters
from pax._core import grad as grad
from pax._core import module_and_value as module_and_value
from pax._core import next_rng_key as next_rng_key
from pax._core import parameters_method as parameters_method
from pax._core import pure as pure
from pax._core import purecall as purecall
from pax._core import scan as scan
from pax._core import seed_rng_key as seed_rng_key
from pax._core import select_parameters as select_parameters
from pax._core import unfreeze_parameters as unfreeze_parameters
from pax._core import update_parameters as update_parameters
from pax._core import value_and_grad as value_and_grad

__version__ = "0.1.0"
