"""Waiting for a fact, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS_TO_BECOME_TRUE = 60
SECONDS_BETWEEN_LOOKS = 0.1


def eventually[T](look: Callable[[], T], so_that: Callable[[T], object], seconds: float = SECONDS_TO_BECOME_TRUE) -> T:
    """What is seen once it is as it should be; the last thing seen is told if that never happens."""
    deadline = time.monotonic() + seconds
    while not so_that(seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} s; the last look saw {seen!r}")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return seen
