"""The face of what goes to disk and comes from there: weights, compiled programs."""

from pax.io.compilation_cache import use_compilation_cache as use_compilation_cache
from pax.io.state_dict import from_state_dict as from_state_dict
from pax.io.state_dict import to_state_dict as to_state_dict
