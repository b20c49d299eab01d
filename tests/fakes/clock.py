"""Time that passes when a test says so."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.support.records import NOON


class FakeClock:
    """A Clock, and a monotonic one beside it. Each look at the time takes ``tick`` seconds."""

    def __init__(self, now: datetime = NOON, tick: float = 0.001) -> None:
        self._now = now
        self._tick = tick

    def __call__(self) -> datetime:
        self.advance(self._tick)
        return self._now

    def monotonic(self) -> float:
        """In seconds; looking at it takes no time."""
        return self._now.timestamp()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
