"""What `pax` costs beside hand-written JAX and other libraries: `python -m benchmarks`."""
