"""The face of the checks for layers: those that our own layers pass."""

from pax.testing.check_layer import check_dtypes as check_dtypes
from pax.testing.check_layer import check_jit as check_jit
from pax.testing.check_layer import check_layer as check_layer
from pax.testing.check_layer import check_purity as check_purity
from pax.testing.check_layer import check_pytree as check_pytree
from pax.testing.check_layer import check_vmap as check_vmap
from pax.testing.close import CheckError as CheckError
from pax.testing.gradients import check_gradients as check_gradients
from pax.testing.references import assert_matches as assert_matches
from pax.testing.references import in_torch as in_torch
