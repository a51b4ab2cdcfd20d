"""`import pax` is light."""

from __future__ import annotations

import subprocess
import sys

from tests.house.public_api import public_parts
from tests.house.tree import public_names

HEAVY = ["optax", "rich", "safetensors", "orbax", "torch", "matplotlib", "flax", "haiku"]

LOADED = f"""
import sys
import pax
print(*[name for name in {HEAVY} if name in sys.modules])
"""

NAMES = [
    *public_names("pax/__init__.py"),
    *(part.removeprefix("pax.") for part in public_parts()[1:]),
]

REACHED = f"""
import operator
import pax
for name in {NAMES}:
    operator.attrgetter(name)(pax)
"""


def printed(program: str) -> str:
    """Returns what a program prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    assert printed(LOADED) == ""


def test_every_name_is_reached_from_a_plain_import() -> None:
    assert printed(REACHED) == ""
