"""`pax.keep_host_memory`: the pages of a step are taken from the system once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import pax

#: A step of 32 MB of temporary memory: 8,192 pages.
PROGRAM = """
import resource, statistics, jax, jax.numpy as jnp, pax
if {keep}:
    assert pax.keep_host_memory()
step = jax.jit(lambda x: jnp.sum((x[:, :4] @ x[:4]) * x[::-1], axis=0))
x = jax.device_put(jnp.zeros((4096, 2048)))
assert step.lower(x).compile().memory_analysis().temp_size_in_bytes > 2**25
faults = []
for i in range(30):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step(x).block_until_ready()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
# each thread of XLA that runs a step for the first time asks for memory of its own
print(statistics.median(faults[-9:]))
"""


def faults(keep: bool) -> int:
    """Returns how many pages a step takes from the system, once it has run for a while."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM.format(keep=keep)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    env["JAX_PLATFORMS"] = "cpu"
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(float(done.stdout))


@pytest.mark.skipif(sys.platform != "linux", reason="it is about the GNU C library")
def test_pages_are_used_again() -> None:
    assert faults(keep=True) < 0.2 * faults(keep=False)


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert pax.keep_host_memory() is False
