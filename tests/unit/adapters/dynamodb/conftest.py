"""Time for the retries of throttled calls."""

from __future__ import annotations

import pytest

from baton.adapters.dynamodb import throttling
from tests.support.simulated_clock import SimulatedClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimulatedClock:
    made = SimulatedClock()
    monkeypatch.setattr(throttling, "time", made)
    monkeypatch.setattr(throttling, "random", made)
    return made
