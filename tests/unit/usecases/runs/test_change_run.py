"""Cancel, resume and delete: each only if the status of the run allows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.domain.errors import AttemptSuperseded, LlmRefused, NotFound, RunFinished, RunNotFinished
from baton.domain.runs.run import Run, Status
from tests.fakes.runs import FakeRuns
from tests.support.records import AT_NOON, NOON, OTHER_TENANT, TENANT
from tests.support.use_cases import FakeBaton


def a_run_that_is(fake_baton: FakeBaton, status: Status) -> Run:
    run = fake_baton.started("one", "two")
    fake_baton.runs.write(replace(run, status=status))
    return fake_baton.runs.read(TENANT, 1)


@pytest.mark.parametrize("status", ["created", "running"])
def test_cancelling_stops_the_run_and_its_execution(fake_baton: FakeBaton, status: Status) -> None:
    a_run_that_is(fake_baton, status)
    fake_baton.change_run.cancel(TENANT, 1, NOON)
    run = fake_baton.runs.read(TENANT, 1)
    assert (run.status, run.completed_at) == ("cancelled", AT_NOON)
    assert fake_baton.executions.running == {}


def test_no_further_payload_starts_in_a_cancelled_run(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two")
    fake_baton.llm.script("a")
    following = fake_baton.execute_payload(fake_baton.step(run))
    fake_baton.change_run.cancel(TENANT, 1, NOON)
    assert fake_baton.state_machine.execute(following).outcome == "failed"
    assert len(fake_baton.llm.calls) == 1
    assert fake_baton.runs.read(TENANT, 1).status == "cancelled"
    assert [response.content for response in fake_baton.runs.read_history(TENANT, 1).responses] == ["a"]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_run_that_has_ended_cannot_be_cancelled(fake_baton: FakeBaton, status: Status) -> None:
    ended = a_run_that_is(fake_baton, status)
    with pytest.raises(RunFinished, match=f"Run 1 is already {status}"):
        fake_baton.change_run.cancel(TENANT, 1, NOON)
    assert fake_baton.runs.read(TENANT, 1) == ended


def test_a_run_that_ends_while_it_is_cancelled_does_not_change_its_status(fake_baton: FakeBaton) -> None:
    class EndsDuringRead(FakeRuns):
        def read(self, tenant: str, run_id: int) -> Run:
            run = super().read(tenant, run_id)
            if run.status == "running":
                self.write(replace(run, status="completed"))
            return run

    runs = EndsDuringRead()
    fake_baton = FakeBaton(runs=runs)
    workflow = fake_baton.workflow("one")
    fake_baton.start_run(TENANT, workflow, {}, NOON)
    created = super(EndsDuringRead, runs).read(TENANT, 1)
    FakeRuns.write(runs, replace(created, status="running"))
    with pytest.raises(AttemptSuperseded):
        fake_baton.change_run.cancel(TENANT, 1, NOON)
    assert runs.read(TENANT, 1).status == "completed"


def test_a_failed_run_resumes_after_its_last_response(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "{{p0}} two", "{{p1}} three")
    fake_baton.llm.script("a", LlmRefused("No such model."), "b", "c")
    fake_baton.state_machine.execute(fake_baton.step(run))
    resumed = fake_baton.change_run.resume(TENANT, 1, NOON)
    assert (resumed.status, resumed.attempt, resumed.first_position, resumed.error) == ("running", 2, 1, None)
    assert fake_baton.executions.running["acme-1-2"] == fake_baton.step(resumed, 1)
    assert fake_baton.state_machine.execute(fake_baton.step(resumed)).outcome == "completed"
    assert fake_baton.llm.prompts == ["one", "a two", "a two", "b three"]
    attempts = [response.attempt for response in fake_baton.runs.read_history(TENANT, 1).responses]
    assert attempts == [1, 2, 2]


def test_a_cancelled_run_can_be_resumed(fake_baton: FakeBaton) -> None:
    fake_baton.started("one")
    fake_baton.change_run.cancel(TENANT, 1, NOON)
    resumed = fake_baton.change_run.resume(TENANT, 1, NOON)
    fake_baton.llm.script("a")
    assert fake_baton.state_machine.execute(fake_baton.step(resumed)).outcome == "completed"
    assert fake_baton.runs.read(TENANT, 1).status == "completed"


def test_the_execution_of_the_earlier_attempt_cannot_change_the_resumed_run(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one")
    fake_baton.change_run.cancel(TENANT, 1, NOON)
    resumed = fake_baton.change_run.resume(TENANT, 1, NOON)
    assert fake_baton.state_machine.execute(fake_baton.step(run)).outcome == "failed"
    assert fake_baton.runs.read(TENANT, 1) == resumed
    assert fake_baton.llm.calls == []


@pytest.mark.parametrize("status", ["created", "running"])
def test_a_run_that_has_not_ended_can_be_neither_resumed_nor_deleted(fake_baton: FakeBaton, status: Status) -> None:
    unfinished = a_run_that_is(fake_baton, status)
    with pytest.raises(RunNotFinished, match=f"Run 1 is {status}"):
        fake_baton.change_run.resume(TENANT, 1, NOON)
    with pytest.raises(RunNotFinished, match=f"Run 1 is {status}"):
        fake_baton.change_run.delete(TENANT, 1)
    assert fake_baton.runs.read(TENANT, 1) == unfinished


def test_a_completed_run_cannot_be_resumed(fake_baton: FakeBaton) -> None:
    a_run_that_is(fake_baton, "completed")
    with pytest.raises(RunFinished, match="Run 1 is already completed"):
        fake_baton.change_run.resume(TENANT, 1, NOON)


def test_a_resume_that_the_state_machine_rejects_fails_the_run_and_can_be_repeated(fake_baton: FakeBaton) -> None:
    a_run_that_is(fake_baton, "failed")
    fake_baton.executions.refusal = OSError("no state machine")
    with pytest.raises(OSError, match="no state machine"):
        fake_baton.change_run.resume(TENANT, 1, NOON)
    run = fake_baton.runs.read(TENANT, 1)
    assert (run.status, run.attempt) == ("failed", 2)
    assert run.error == "The run could not be resumed: the state machine did not accept it. Resume it again."
    fake_baton.executions.refusal = None
    assert fake_baton.change_run.resume(TENANT, 1, NOON).attempt == 3


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_ended_run_can_be_deleted(fake_baton: FakeBaton, status: Status) -> None:
    a_run_that_is(fake_baton, status)
    fake_baton.change_run.delete(TENANT, 1)
    with pytest.raises(NotFound):
        fake_baton.runs.read(TENANT, 1)


@pytest.mark.parametrize(("tenant", "run_id"), [(TENANT, 99), (OTHER_TENANT, 1)])
def test_an_unknown_run_or_one_of_another_tenant_is_not_found(fake_baton: FakeBaton, tenant: str, run_id: int) -> None:
    a_run_that_is(fake_baton, "failed")
    with pytest.raises(NotFound):
        fake_baton.change_run.cancel(tenant, run_id, NOON)
    with pytest.raises(NotFound):
        fake_baton.change_run.resume(tenant, run_id, NOON)
    with pytest.raises(NotFound):
        fake_baton.change_run.delete(tenant, run_id)
    assert fake_baton.runs.read(TENANT, 1).status == "failed"
