"""The face of what a person looks at."""

from pax.show.summary import summary as summary
