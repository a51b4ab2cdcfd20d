"""The process of one contender: takes one measurement for each line it reads, and prints it.

The runner starts it: `python -m benchmarks.worker CASE JSON`, with a `Run` as JSON. Each answer is
a line of JSON: the figures, or {"problem": ...} after which the process ends.
"""

from __future__ import annotations

import json
import os
import sys

from benchmarks.case import Run
from benchmarks.cases import load
from benchmarks.task import Absent


def main(case: str, run: str) -> int:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        measure = load(case).prepare(Run(**json.loads(run)))
        for _ in sys.stdin:
            print(json.dumps(measure()), file=answers)
    except Absent as reason:
        print(json.dumps({"problem": f"absent: {reason}"}), file=answers)
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        print(json.dumps({"problem": f"failed: {type(error).__name__}: {first}"}), file=answers)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
