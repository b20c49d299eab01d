"""Bounds of the state machine that an execution in a test can't reach."""

from __future__ import annotations

import json
from typing import Any

from baton.domain.runs.steps import MAX_WAIT_SECONDS
from tests.support import template

MACHINE: dict[str, Any] = json.loads((template.ROOT / "functions" / "workflow.asl.json").read_text())
DAY = 86_400
MAX_PAYLOADS = 200

MAX_EVENTS = 25_000
"""In the history of an execution, which fails with the next event.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

UNBOUNDED_ATTEMPTS = 99_999_999
"""The largest ``MaxAttempts``.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

EVENTS_A_TRY = 3
"""``LambdaFunctionScheduled``, ``LambdaFunctionStarted`` and ``LambdaFunctionFailed``, at most."""

EVENTS_A_PAYLOAD = 7
"""``ExecutePayload`` entered, scheduled, started, succeeded and exited; ``NextStep?`` entered and exited."""

EVENTS_A_WAIT = EVENTS_A_PAYLOAD + 2


def test_an_attempt_lasts_at_most_a_day() -> None:
    assert MACHINE["TimeoutSeconds"] == DAY


def test_capacity_is_waited_for_as_long_as_the_execution_may_last() -> None:
    assert no_capacity()["MaxAttempts"] == UNBOUNDED_ATTEMPTS


def test_a_day_without_capacity_fits_into_the_history() -> None:
    """The worst case: each payload meets a new shortage, whose first retries are quick; then a shortage lasts a day."""
    retrier = no_capacity()
    quick = next(tries for tries in range(100) if 2**tries >= retrier["MaxDelaySeconds"])
    slow = DAY / (retrier["MaxDelaySeconds"] / 2)  # on average, with full jitter
    assert MAX_PAYLOADS * (EVENTS_A_PAYLOAD + quick * EVENTS_A_TRY) + slow * EVENTS_A_TRY < MAX_EVENTS


def test_a_day_in_a_queue_for_an_llm_fits_into_the_history() -> None:
    assert DAY / MAX_WAIT_SECONDS * EVENTS_A_WAIT + MAX_PAYLOADS * EVENTS_A_PAYLOAD < MAX_EVENTS


def test_a_task_ends_after_its_function() -> None:
    """30 s for the start of the function and its result."""
    function = template.function_properties("execute_payload")
    assert MACHINE["States"]["ExecutePayload"]["TimeoutSeconds"] == function["Timeout"] + 30


def no_capacity() -> dict[str, Any]:
    """The retrier of a function without capacity."""
    retriers: list[dict[str, Any]] = MACHINE["States"]["ExecutePayload"]["Retry"]
    return next(retrier for retrier in retriers if "Lambda.TooManyRequestsException" in retrier["ErrorEquals"])
