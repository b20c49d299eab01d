"""A block of Python code ends within its time bound, and restores the timers and handlers of its callers."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from baton.adapters.llm.formats.time_bound import OutOfTime, time_bound

HOUR = 3600.0


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handler, timer = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)


def test_an_endless_match_is_stopped() -> None:
    with pytest.raises(OutOfTime), time_bound(0.05):
        re.match("^(a+)+$", "a" * 60 + "!")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_the_former_handler_and_timer_are_restored() -> None:
    def former(*_: object) -> None: ...

    signal.signal(signal.SIGALRM, former)
    signal.setitimer(signal.ITIMER_REAL, HOUR, 7)
    with time_bound(1):
        assert signal.getsignal(signal.SIGALRM) is not former
    assert signal.getsignal(signal.SIGALRM) is former
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert HOUR - 60 < left <= HOUR
    assert interval == 7


def test_exceptions_of_the_block_pass_through_and_the_alarm_is_cancelled() -> None:
    with pytest.raises(ValueError, match="own"), time_bound(1):
        raise ValueError("own")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_in_another_thread_the_block_runs_without_a_bound() -> None:
    def bounded() -> str:
        with time_bound(0.001):
            return "done"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(bounded).result() == "done"
