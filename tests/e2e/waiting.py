"""Waiting for a condition, never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS_TO_BECOME_TRUE = 60
SECONDS_BETWEEN_READS = 0.1


def eventually[T](
    read: Callable[[], T], condition: Callable[[T], object], seconds: float = SECONDS_TO_BECOME_TRUE
) -> T:
    """Read until the value meets the condition, and return it; the error contains the last value."""
    deadline = time.monotonic() + seconds
    while not condition(value := read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} s; the last value was {value!r}")
        time.sleep(SECONDS_BETWEEN_READS)
    return value
