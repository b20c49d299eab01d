"""The smoke test of a deployment, against functions in this process."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from local.problem import Problem
from local.smoke import SECONDS_TO_COMPLETE, execute_once
from tests.support.deployment import Deployment
from tests.support.functions import request

LISTS = ("/api/llm/instances", "/api/blocks", "/api/payloads", "/api/workflows", "/api/runs")


class InProcess:
    """The HTTP API without a server."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        self.calls.append(f"{method} {path}")
        answer = request(method, path, body)
        assert answer.status < 300, answer.body
        return answer.body


def assert_nothing_is_left() -> None:
    assert [request("GET", path).body["items"] for path in LISTS] == [[]] * len(LISTS)


@pytest.mark.usefixtures("baton")
def test_a_working_stack_completes_a_run_and_nothing_is_left_in_it() -> None:
    run = execute_once(InProcess(), sleep=lambda _: None)
    assert (run["status"], len(run["responses"])) == ("completed", 1)
    assert_nothing_is_left()


def test_a_run_that_fails_is_reported_with_its_reason_and_nothing_is_left(baton: Deployment) -> None:
    def crash(_event: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError

    baton.payload_function = crash
    with pytest.raises(Problem, match=r"The run failed: Payload 1 of the run stopped without an answer"):
        execute_once(InProcess(), sleep=lambda _: None)
    assert_nothing_is_left()


def test_a_run_that_does_not_end_is_cancelled_at_the_deadline(
    baton: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baton.aws.stepfunctions, "start_execution", lambda **_: {})  # it never starts
    api, times = InProcess(), count(step=SECONDS_TO_COMPLETE)
    with pytest.raises(Problem, match="The run cancelled"):
        execute_once(api, sleep=lambda _: None, monotonic=lambda: float(next(times)))
    assert sum(call.endswith("/cancel") for call in api.calls) == 1
    assert_nothing_is_left()
