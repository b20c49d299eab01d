"""Time that only sleeping advances, for code that pauses between retries."""

from __future__ import annotations


class SimulatedClock:
    """Replaces the modules ``time`` and ``random``.

    ``jitter`` is the share of a range that each pause has; ``bounds`` are the ranges from which pauses were drawn.
    """

    def __init__(self, jitter: float = 1) -> None:
        self.now = 0.0
        self.bounds: list[tuple[float, float]] = []
        self._jitter = jitter

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def uniform(self, least: float, most: float) -> float:
        self.bounds.append((least, most))
        return least + (most - least) * self._jitter
