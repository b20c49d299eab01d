"""Executions of the state machine without the HTTP API, for tests of its own states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import to_attributes
from baton.adapters.step_functions import StepFunctionsExecutions
from baton.api.caller import DEFAULT_TENANT
from baton.domain.runs.run import Run
from baton.domain.runs.steps import Step
from baton.domain.times import timestamp
from baton.runtime import wiring
from tests.support.aws import STATE_MACHINE_ARN
from tests.support.deployment import Deployment, Invocation
from tests.support.environments import in_function
from tests.support.records import NOON, a_run

ENTERED = timedelta(seconds=1)
"""The time between two states, by the clock of :func:`start`."""


def created_run(**fields: Any) -> Run:
    """A run of three payloads before its first execution; its id is neither a position nor an attempt."""
    return a_run(**({"tenant": DEFAULT_TENANT, "id": 7, "total": 3, "status": "created", "started_at": None} | fields))


def start(baton: Deployment, run: Run) -> None:
    """Store the run and start its execution, whose states are entered at :func:`entered`."""
    baton.clock = (entered_at for entered_at in _ticks()).__next__
    in_function("runs_api", wiring.run_store).create(run, {}, [])
    StepFunctionsExecutions(baton.aws.stepfunctions, STATE_MACHINE_ARN).start(run)


def entered(number: int) -> str:
    """When the execution enters its first state (0), its second, …"""
    return timestamp(NOON + (number + 1) * ENTERED)


def record(baton: Deployment, run: Run) -> dict[str, Any] | None:
    """The stored item of the run, if it exists."""
    key = to_attributes(keys.run(run.tenant, run.id))
    return baton.aws.dynamodb.get_item(TableName=baton.aws.runs_table, Key=key).get("Item")


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    """What a write has set, as plain strings."""
    before = before or {}
    assert after is not None
    assert set(before) <= set(after)
    return {name: next(iter(value.values())) for name, value in after.items() if before.get(name) != value}


def answering(**fields: Any) -> Invocation:
    """A payload function whose result is its event with these fields."""
    return lambda event: Step.from_event(event).to_event() | fields


def failing(error: BaseException) -> Invocation:
    """A payload function that fails."""

    def fail(_: dict[str, Any]) -> dict[str, Any]:
        raise error

    return fail


def dynamodb_fails_at(state: str, times: int) -> Callable[[str], None]:
    """A function that fails so many times at this state, as DynamoDB does under load."""
    failures: Iterator[int] = iter(range(times))

    def fail(name: str) -> None:
        if name == state and next(failures, None) is not None:
            raise overloaded()

    return fail


def overloaded() -> ClientError:
    """DynamoDB's error for a partition with too many writes."""
    return ClientError(
        {
            "Error": {"Code": "ProvisionedThroughputExceededException", "Message": "Too many writes."},
            "ResponseMetadata": {
                "HTTPStatusCode": 400,
                "RequestId": "r",
                "HostId": "h",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "UpdateItem",
    )


def _ticks() -> Iterator[Any]:
    return (NOON + number * ENTERED for number in count(1))
