"""The face of weights in and out."""

from pax.io.state_dict import from_state_dict as from_state_dict
from pax.io.state_dict import to_state_dict as to_state_dict
