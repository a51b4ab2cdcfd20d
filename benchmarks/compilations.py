"""What JAX compiled in this process: how often, and for how long."""

from __future__ import annotations

_EVENT = "/jax/core/compile/backend_compile_duration"


class Compilations:
    """Counts from when it is made; reading from JAX's persistent cache counts as well."""

    def __init__(self) -> None:
        import jax.monitoring

        self._seconds: list[float] = []
        jax.monitoring.register_event_duration_secs_listener(self._heard)

    def _heard(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event == _EVENT:
            self._seconds.append(duration_secs)

    def take(self) -> tuple[int, float]:
        """Returns the number and the seconds since it was last asked."""
        taken = len(self._seconds), sum(self._seconds)
        self._seconds.clear()
        return taken
