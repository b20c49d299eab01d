"""MarkRunning, MarkCompleted and MarkFailed, executed by moto: what they write, and what may prevent it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from baton.domain.runs.run import Run, Status, cancelled, failed, resumed
from baton.runtime import wiring
from tests.support.deployment import Deployment, Invocation
from tests.support.environments import in_function
from tests.support.executions import (
    answering,
    changes,
    created_run,
    dynamodb_fails_at,
    entered,
    failing,
    overloaded,
    record,
    start,
)
from tests.support.records import AT_NOON, NOON

NORMAL = ["MarkRunning", "ExecutePayload", "NextStep?"]
THIRD_PAYLOAD = 2
COMPLETING = answering(outcome="completed")
MANY = 1_000


@dataclass(frozen=True, kw_only=True)
class Path:
    """One way into a state that writes: the states up to it, and what causes it."""

    states: list[str]
    payload: Invocation = COMPLETING
    position: int = THIRD_PAYLOAD
    start_fails: bool = False
    error: str | None = None

    @property
    def mark(self) -> str:
        """The state that writes."""
        return self.states[-1]


STARTED = Path(states=["MarkRunning"])
COMPLETED = Path(states=[*NORMAL, "MarkCompleted"])
FAILED = Path(
    states=[*NORMAL, "MarkFailed"],
    payload=answering(outcome="failed", error="Payload 'p1' failed: 401."),
    error="Payload 'p1' failed: 401.",
)
NOT_STARTED = Path(
    states=["MarkRunning", "DescribeStartFailure", "MarkFailed"],
    start_fails=True,
    error="The run could not be started (DynamoDB.ProvisionedThroughputExceededException). Resume it to try again.",
)
CRASHED = Path(
    states=["MarkRunning", "ExecutePayload", "DescribeCrash", "MarkFailed"],
    payload=failing(ZeroDivisionError("the prompt was: secret")),
    error="Payload 3 of the run stopped without an answer (ZeroDivisionError). "
    "The log of the execute_payload function says why.",
)
UNKNOWN_OUTCOME = Path(
    states=[*NORMAL, "DescribeUnknownOutcome", "MarkFailed"],
    payload=answering(outcome="paused"),
    error="Payload 3 of the run ended in an outcome that the state machine does not know. "
    "Deploy functions and state machine together.",
)
PATHS = {
    "MarkRunning": STARTED,
    "MarkCompleted": COMPLETED,
    "MarkFailed-failed": FAILED,
    "MarkFailed-not-started": NOT_STARTED,
    "MarkFailed-crashed": CRASHED,
    "MarkFailed-unknown-outcome": UNKNOWN_OUTCOME,
}
FAILURES = {name: path for name, path in PATHS.items() if path.mark == "MarkFailed"}

type Change = Callable[[Run], Run | None]
"""What happens to a run, without the stop of its execution, which follows; ``None`` if it is deleted."""

CHANGES: dict[str, Change] = {
    "cancelled": lambda run: cancelled(run, AT_NOON),
    "failed": lambda run: failed(run, "The run could not be started.", AT_NOON),
    "cancelled-and-resumed": lambda run: resumed(cancelled(run, AT_NOON), 0, AT_NOON),
    "cancelled-and-resumed-twice": lambda run: resumed(
        cancelled(resumed(cancelled(run, AT_NOON), 0, AT_NOON), AT_NOON), 0, AT_NOON
    ),
    "newer-attempt-failed": lambda run: failed(resumed(cancelled(run, AT_NOON), 0, AT_NOON), "401", AT_NOON),
    "newer-attempt-completed": lambda run: replace(
        resumed(cancelled(run, AT_NOON), 0, AT_NOON), status="completed", completed=run.total, completed_at=AT_NOON
    ),
    "deleted": lambda _: None,
}


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A run, and its record before and after the write of each state."""

    run: Run
    written: dict[str, dict[str, Any]] = field(default_factory=dict)


def execute(baton: Deployment, path: Path, before_mark: Callable[[Run], None], **fields: Any) -> Executed:
    """Execute a run on a path, and do something just before the state that writes."""
    run = created_run(position=path.position, first_position=path.position, **fields)
    executed = Executed(run=run)
    fail_start = dynamodb_fails_at("MarkRunning", MANY if path.start_fails else 0)

    def update(state: str, write: Callable[[], None]) -> None:
        fail_start(state)
        if state == path.mark:
            before_mark(in_function("runs_api", wiring.run_store).read(run.tenant, run.id))
        before = record(baton, run)
        write()
        executed.written[state] = changes(before, record(baton, run))

    baton.update = update
    baton.payload_function = path.payload
    start(baton, run)
    baton.status(run.id, run.attempt)
    return executed


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("path", PATHS)
def test_a_run_that_changes_just_before_a_write_stays_as_it_is(baton: Deployment, path: str, change: str) -> None:
    changed: list[dict[str, Any] | None] = []

    def change_run(run: Run) -> None:
        after = CHANGES[change](run)
        if after is None:
            cancel = cancelled(run, AT_NOON)
            in_function("runs_api", wiring.run_store).change(run, cancel)
            in_function("runs_api", wiring.run_store).delete(cancel)
        else:
            in_function("runs_api", wiring.run_store).change(run, after)
        changed.append(record(baton, run))

    executed = execute(baton, PATHS[path], change_run)
    assert baton.states(executed.run.id) == [*PATHS[path].states, "Superseded"]
    assert baton.status(executed.run.id) == "SUCCEEDED"
    assert changed == [record(baton, executed.run)]


def test_a_started_run_is_running_since_its_first_state(baton: Deployment) -> None:
    executed = execute(baton, STARTED, unchanged)
    assert executed.written["MarkRunning"] == {
        "status": "running",
        "tenant_status": "default#running",
        "started_at": entered(0),
        "payload_started_at": entered(0),
    }
    assert baton.states(executed.run.id) == [*NORMAL, "MarkCompleted", "RunCompleted"]


@pytest.mark.parametrize("status", ["created", "running"])
def test_the_next_attempt_does_not_change_when_the_run_was_started(baton: Deployment, status: Status) -> None:
    """``resumed`` has set the status and the time already."""
    executed = execute(baton, STARTED, unchanged, status=status, attempt=2, started_at=AT_NOON)
    running = {"status": "running", "tenant_status": "default#running"} if status == "created" else {}
    assert executed.written["MarkRunning"] == running | {"payload_started_at": entered(0)}
    assert baton.status(executed.run.id, attempt=2) == "SUCCEEDED"


def test_a_completed_run_has_completed_all_payloads(baton: Deployment) -> None:
    executed = execute(baton, COMPLETED, unchanged, completed=1, total=9)
    assert executed.written["MarkCompleted"] == {
        "status": "completed",
        "tenant_status": "default#completed",
        "completed_at": entered(3),
        "completed": "9",
    }
    assert baton.states(executed.run.id) == [*COMPLETED.states, "RunCompleted"]
    assert baton.status(executed.run.id) == "SUCCEEDED"


@pytest.mark.parametrize("path", FAILURES)
def test_a_failed_run_has_the_reason(baton: Deployment, path: str) -> None:
    executed = execute(baton, FAILURES[path], unchanged)
    assert executed.written["MarkFailed"] == {
        "status": "failed",
        "tenant_status": "default#failed",
        "completed_at": entered(len(FAILURES[path].states) - 1),
        "error": FAILURES[path].error,
    }
    assert baton.states(executed.run.id) == [*FAILURES[path].states, "RunFailed"]
    assert baton.ended(executed.run.id) == ("FAILED", "RunFailed", "The run's own record says why.")


@pytest.mark.parametrize("path", ["MarkRunning", "MarkCompleted", *FAILURES])
def test_a_write_is_repeated_after_an_error_of_dynamodb(baton: Deployment, path: str) -> None:
    failures = iter([overloaded()])

    def fail_once(_: Run) -> None:
        for failure in failures:
            raise failure

    executed = execute(baton, PATHS[path], fail_once)
    assert baton.states(executed.run.id)[: len(PATHS[path].states)] == PATHS[path].states
    assert baton.states(executed.run.id)[-1] == ("RunFailed" if path in FAILURES else "RunCompleted")
    assert in_function("runs_api", wiring.run_store).read(executed.run.tenant, executed.run.id).status == (
        "failed" if path in FAILURES else "completed"
    )
    assert baton.pauses[-1:] == [0.5]


def test_a_run_that_cannot_be_marked_as_running_fails_after_six_tries(baton: Deployment) -> None:
    executed = execute(baton, NOT_STARTED, unchanged)
    assert baton.status(executed.run.id) == "FAILED"
    assert baton.pauses == [0.5, 1, 2, 4, 8]
    stored = in_function("runs_api", wiring.run_store).read(executed.run.tenant, executed.run.id)
    assert (stored.status, stored.started_at) == ("failed", None)


@pytest.mark.parametrize("path", ["MarkCompleted", *FAILURES])
def test_a_run_that_cannot_be_marked_as_ended_stays_running_after_nine_tries(baton: Deployment, path: str) -> None:
    """A client can cancel and resume it; its responses are stored."""

    def fail(_: Run) -> None:
        raise overloaded()

    executed = execute(baton, PATHS[path], fail)
    assert baton.states(executed.run.id) == PATHS[path].states
    assert baton.ended(executed.run.id)[:2] == ("FAILED", "DynamoDB.ProvisionedThroughputExceededException")
    assert baton.pauses[-8:] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert len(baton.pauses) == (8 if path != "MarkFailed-not-started" else 13)
    status = in_function("runs_api", wiring.run_store).read(executed.run.tenant, executed.run.id).status
    assert status == ("created" if path == "MarkFailed-not-started" else "running")
    in_function("runs_api", wiring.change_run).cancel(executed.run.tenant, executed.run.id, NOON)
    baton.update = lambda _, write: write()
    baton.payload_function = answering(outcome="completed")
    in_function("runs_api", wiring.change_run).resume(executed.run.tenant, executed.run.id, NOON)
    assert baton.status(executed.run.id, attempt=2) == "SUCCEEDED"
    assert in_function("runs_api", wiring.run_store).read(executed.run.tenant, executed.run.id).status == "completed"


def unchanged(_: Run) -> None:
    """Nothing happens before the write."""
