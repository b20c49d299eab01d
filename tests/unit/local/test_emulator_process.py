"""Which worker of the emulator serves a call, and how many start at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from ministack.core import lambda_runtime

from local import emulator_process

CONFIG = {"FunctionArn": "arn:aws:lambda:local:000000000000:function:f"}


@dataclass(eq=False)
class Worker:
    """A worker without a process."""

    function: str
    config: dict[str, Any]
    code: bytes
    in_use: bool = False
    last_used: float = 0

    def started(self) -> None:
        with emulator_process.workers_changed:
            emulator_process.starting_workers.discard(self)
            emulator_process.workers_changed.notify_all()


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Threads for calls. Two workers may start at the same time; a call does not wait for a free one before that."""
    monkeypatch.setattr(lambda_runtime, "_workers", {})
    monkeypatch.setattr(lambda_runtime, "_worker_class_for", lambda _config: Worker)
    monkeypatch.setattr(emulator_process, "MAX_STARTING_WORKERS", 2)
    monkeypatch.setattr(emulator_process, "SECONDS_FOR_A_FREE_WORKER", 0)
    monkeypatch.setattr(emulator_process, "SECONDS_FOR_A_TURN", 10)
    with ThreadPoolExecutor() as threads:
        yield threads
    emulator_process.starting_workers.clear()


def acquire() -> tuple[Any, str]:
    worker, origin = emulator_process.acquire_worker("f", CONFIG, b"")
    return worker, origin


def waiting(pool: ThreadPoolExecutor, calls: int) -> Future[tuple[Any, str]]:
    """A further call, after it has begun to wait as one of so many."""
    call = pool.submit(acquire)
    with emulator_process.workers_changed:
        while number_waiting() != calls:
            emulator_process.workers_changed.wait(0.01)
    return call


def number_waiting() -> int:
    return sum(map(len, emulator_process.waiting_calls.values()))


def test_only_so_many_workers_start_at_the_same_time(pool: ThreadPoolExecutor) -> None:
    (first, origin), (second, _) = acquire(), acquire()
    third = waiting(pool, 1)
    assert (origin, emulator_process.starting_workers) == ("spawn", {first, second})
    first.started()
    assert third.result()[1] == "spawn"


def test_a_call_uses_a_worker_that_becomes_free_while_it_waits(pool: ThreadPoolExecutor) -> None:
    (first, _), _ = acquire(), acquire()
    third = waiting(pool, 1)
    emulator_process.release_worker(first)
    assert third.result() == (first, "reused")


def test_a_busy_worker_is_waited_for_before_another_starts(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = acquire()
    first.started()
    monkeypatch.setattr(emulator_process, "SECONDS_FOR_A_FREE_WORKER", 60)
    second = waiting(pool, 1)
    emulator_process.release_worker(first)
    assert second.result() == (first, "reused")


def test_the_call_that_waits_longest_is_served_first(pool: ThreadPoolExecutor) -> None:
    """A call that arrives when a worker becomes free does not get it before a call that has waited for it."""
    (first, _), (second, _) = acquire(), acquire()
    waits = waiting(pool, 1)
    with emulator_process.workers_changed:
        emulator_process.release_worker(first)
        waits.add_done_callback(lambda _: emulator_process.release_worker(second))
        arrives = acquire()
    assert arrives == (second, "reused")
    assert waits.result() == (first, "reused")
