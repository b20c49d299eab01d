"""Retries of calls for which DynamoDB has no capacity: which errors, how long, and the pauses between them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.adapters.dynamodb.throttling import Deadline, retry_throttled
from baton.domain.errors import Overloaded
from tests.support.simulated_clock import SimulatedClock


def failing_with(code: str, times: int) -> Any:
    errors = iter([ClientError({"Error": {"Code": code, "Message": "-"}}, "PutItem")] * times)

    def call() -> str:
        for error in errors:
            raise error
        return "done"

    return call


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"]
)
@pytest.mark.usefixtures("clock")
def test_a_call_without_capacity_is_retried(code: str) -> None:
    assert retry_throttled(failing_with(code, times=3), Deadline()) == "done"


def test_another_error_is_raised_at_once(clock: SimulatedClock) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        retry_throttled(failing_with("ValidationException", times=1), Deadline())
    assert clock.now == 0


def test_pauses_double_from_80_ms_up_to_2_s_with_full_jitter(clock: SimulatedClock) -> None:
    retry_throttled(failing_with("ThrottlingException", times=7), Deadline())
    assert clock.bounds == [(0, most) for most in (0.08, 0.16, 0.32, 0.64, 1.28, 2, 2)]


def test_retries_end_after_20_seconds_and_no_pause_exceeds_them(clock: SimulatedClock) -> None:
    with pytest.raises(Overloaded):
        retry_throttled(failing_with("ThrottlingException", times=100), Deadline())
    assert 20 - 2 < clock.now <= 20


def test_a_pause_that_ends_exactly_at_the_deadline_is_made(clock: SimulatedClock) -> None:
    assert retry_throttled(failing_with("ThrottlingException", times=1), Deadline(0.08)) == "done"
    with pytest.raises(Overloaded):
        retry_throttled(failing_with("ThrottlingException", times=1), Deadline(0.079))
    assert clock.now == 0.08


def test_one_deadline_bounds_several_calls(clock: SimulatedClock) -> None:
    deadline = Deadline(0.2)
    retry_throttled(failing_with("ThrottlingException", times=1), deadline)
    retry_throttled(failing_with("ThrottlingException", times=1), deadline)
    with pytest.raises(Overloaded):
        retry_throttled(failing_with("ThrottlingException", times=1), deadline)
    assert clock.now == pytest.approx(0.16)
