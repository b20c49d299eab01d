"""The smoke test of a deployment, against functions in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Any

import pytest

from local.problem import Problem
from local.smoke import SECONDS_TO_COMPLETE, execute_once
from tests.support.deployment import SECONDS_TO_END, Deployment
from tests.support.functions import request

LISTS = ("/api/llm/instances", "/api/blocks", "/api/payloads", "/api/workflows", "/api/runs")
RUN_ID = 1


@dataclass
class InProcess:
    """The HTTP API without a server; ``after_start`` and ``after_cancel`` are called after these calls.

    moto's tables cannot be read while an execution writes, so the callbacks wait for the execution.
    """

    after_start: Callable[[], object]
    after_cancel: Callable[[], object] = lambda: None
    calls: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        self.calls.append(f"{method} {path}")
        response = request(method, path, body)
        assert response.status < 300, response.body
        if path.startswith("/api/execute/"):
            self.after_start()
        if path.endswith("/cancel"):
            self.after_cancel()
        return response.body


def no_sleep(_seconds: float) -> None:
    """Replaces the pause between two reads."""


def assert_nothing_is_left() -> None:
    assert [request("GET", path).body["items"] for path in LISTS] == [[]] * len(LISTS)


def test_a_working_stack_completes_a_run_and_nothing_is_left_in_it(baton: Deployment) -> None:
    run = execute_once(InProcess(lambda: baton.states(RUN_ID)), sleep=no_sleep)
    assert (run["id"], run["status"], len(run["responses"])) == (RUN_ID, "completed", 1)
    assert_nothing_is_left()


def test_a_run_that_fails_is_reported_with_its_reason_and_nothing_is_left(baton: Deployment) -> None:
    def crash(_event: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError

    baton.payload_function = crash
    with pytest.raises(Problem, match=r"The run failed: Payload 1 of the run stopped without an answer"):
        execute_once(InProcess(lambda: baton.states(RUN_ID)), sleep=no_sleep)
    assert_nothing_is_left()


def test_a_run_that_does_not_end_is_cancelled_at_the_deadline(baton: Deployment) -> None:
    started, cancelled = Event(), Event()

    def wait_for_cancellation(event: dict[str, Any]) -> dict[str, Any]:
        started.set()
        assert cancelled.wait(SECONDS_TO_END)
        return event

    def end() -> None:
        cancelled.set()
        baton.states(RUN_ID)

    baton.payload_function = wait_for_cancellation
    api, times = InProcess(lambda: started.wait(SECONDS_TO_END), end), count(step=SECONDS_TO_COMPLETE)
    with pytest.raises(Problem, match="The run cancelled"):
        execute_once(api, sleep=no_sleep, monotonic=lambda: float(next(times)))
    assert sum(call.endswith("/cancel") for call in api.calls) == 1
    assert_nothing_is_left()
