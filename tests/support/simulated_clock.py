"""A clock that only sleeping advances."""

from __future__ import annotations

START = 100.0


class SimulatedClock:
    """A clock that only sleeping advances; ``bounds`` are those between which each pause was drawn."""

    def __init__(self) -> None:
        self.now = START
        self.bounds: list[tuple[float, float]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def uniform(self, least: float, most: float) -> float:
        self.bounds.append((least, most))
        return most
