"""ExecutePayload in the state machine, executed by moto: which errors are retried, how often, and when it times out."""

from __future__ import annotations

from typing import Any

import pytest

from baton.domain.runs.run import Run
from baton.runtime import wiring
from tests.support.deployment import JITTER, Deployment, ServiceFailure
from tests.support.environments import in_function
from tests.support.executions import answering, created_run, failing, start

NO_CAPACITY = [
    "Lambda.TooManyRequestsException",
    "Lambda.EC2ThrottledException",
    "Lambda.ENILimitReachedException",
    "Lambda.ENINotReadyException",
    "Lambda.ResourceNotReadyException",
    "Lambda.SubnetIPAddressLimitReachedException",
]
"""The errors of Lambda's Invoke that end when capacity is free again.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

SERVICE_ERRORS = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
]
"""Source: https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception"""

OTHER_ERRORS = ["Lambda.Unknown", "Lambda.ResourceNotFoundException", "Sandbox.Timedout", "KeyError"]
FUNCTION_SECONDS = 900
LONGEST_PAUSE = 60


class Refusing:
    """A payload function that Lambda does not execute so many times, with these errors in turn."""

    def __init__(self, times: int, *errors: str) -> None:
        self.calls = 0
        self._times = times
        self._errors = errors

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        if self.calls <= self._times:
            raise ServiceFailure(self._errors[self.calls % len(self._errors)])
        return answering(outcome="completed")(event)


def executed(baton: Deployment) -> Run:
    """A run after its execution has ended."""
    run = created_run()
    start(baton, run)
    baton.status(run.id)
    return in_function("runs_api", wiring.run_store).read(run.tenant, run.id)


@pytest.mark.parametrize("error", NO_CAPACITY)
def test_a_run_completes_after_capacity_was_refused_50_times(baton: Deployment, error: str) -> None:
    baton.payload_function = refusing = Refusing(50, error)
    assert executed(baton).status == "completed"
    assert refusing.calls == 51
    assert baton.pauses == [JITTER * min(LONGEST_PAUSE, 2**tries) for tries in range(50)]


def test_refusals_do_not_count_as_errors_of_lambda(baton: Deployment) -> None:
    """Each kind has its own number of retries."""
    baton.payload_function = Refusing(12, NO_CAPACITY[0], SERVICE_ERRORS[0])
    assert executed(baton).status == "completed"
    assert sorted(baton.pauses) == sorted(JITTER * 2**tries for tries in range(6) for _ in range(2))


@pytest.mark.parametrize("error", SERVICE_ERRORS)
def test_an_error_of_lambda_fails_the_run_after_six_retries(baton: Deployment, error: str) -> None:
    baton.payload_function = refusing = Refusing(7, error)
    run = executed(baton)
    assert run.status == "failed"
    assert error in str(run.error)
    assert refusing.calls == 7
    assert baton.pauses == [JITTER * 2**tries for tries in range(6)]


@pytest.mark.parametrize("error", OTHER_ERRORS)
def test_other_errors_fail_the_run_at_once(baton: Deployment, error: str) -> None:
    """A retry could repeat an LLM call, or fail again."""
    baton.payload_function = refusing = Refusing(1, error)
    run = executed(baton)
    assert run.status == "failed"
    assert error in str(run.error)
    assert refusing.calls == 1


def test_a_task_has_half_a_minute_more_than_its_function(baton: Deployment) -> None:
    baton.payload_function = answering(outcome="completed")
    baton.task_seconds = FUNCTION_SECONDS + 30
    assert executed(baton).status == "completed"


def test_a_task_that_does_not_end_fails_the_run(baton: Deployment) -> None:
    """Its function has ended before, so a retry would repeat an LLM call."""
    baton.payload_function = answering(outcome="completed")
    baton.task_seconds = FUNCTION_SECONDS + 31
    run = executed(baton)
    assert run.status == "failed"
    assert "States.Timeout" in str(run.error)
    assert baton.pauses == []


def test_the_reason_of_a_crash_has_no_text_of_it(baton: Deployment) -> None:
    baton.payload_function = failing(ValueError("the prompt was: secret"))
    assert "secret" not in str(executed(baton).error)
