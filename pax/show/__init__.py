"""The face of what a person looks at."""

from pax.show.retrace import RetraceWarning as RetraceWarning
from pax.show.retrace import explain_retrace as explain_retrace
from pax.show.summary import summary as summary
