"""The face of generation: tokens from anything that has `make_cache` and `decode`."""

from pax.generation.beam_search import Beams as Beams
from pax.generation.beam_search import beam_search as beam_search
from pax.generation.filters import min_p as min_p
from pax.generation.filters import repetition_penalty as repetition_penalty
from pax.generation.filters import top_k as top_k
from pax.generation.filters import top_p as top_p
from pax.generation.generate import Generated as Generated
from pax.generation.generate import generate as generate
from pax.generation.speculative import Speculated as Speculated
from pax.generation.speculative import speculative as speculative
