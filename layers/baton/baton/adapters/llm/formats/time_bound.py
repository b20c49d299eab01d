"""A time limit for Python code that has none of its own, such as a match of ``re``."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Never

REPEAT_SECONDS = 0.5
"""The signal is repeated, since Python drops an exception that is raised in a finalizer."""


class OutOfTime(Exception):
    """The block was not finished within its time limit."""


@contextmanager
def time_bound(seconds: float) -> Iterator[None]:
    """Raises ``OutOfTime`` inside the block after ``seconds``; restores the signal handler and the timer.

    It uses a signal, which Python handles in the main thread only; Lambda calls the handler there. In any other thread
    the block has no time limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    running = [True]
    former_handler = signal.getsignal(signal.SIGALRM)
    began = time.monotonic()
    signal.signal(signal.SIGALRM, lambda *_: _stop() if running else None)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)
    try:
        try:
            yield
        finally:
            running.clear()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former_handler or signal.SIG_DFL)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), interval)


def _stop() -> Never:
    raise OutOfTime
