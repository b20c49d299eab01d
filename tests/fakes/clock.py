"""A clock that a test controls."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.support.records import NOON


class FakeClock:
    """A Clock and its monotonic counterpart. Each reading of the clock advances it by ``tick`` seconds."""

    def __init__(self, now: datetime = NOON, tick: float = 0.001) -> None:
        self._now = now
        self._tick = tick

    def __call__(self) -> datetime:
        self.advance(self._tick)
        return self._now

    def monotonic(self) -> float:
        """In seconds; reading it does not advance the clock."""
        return self._now.timestamp()

    def advance(self, seconds: float) -> None:
        """Advance the clock by some seconds."""
        self._now += timedelta(seconds=seconds)
