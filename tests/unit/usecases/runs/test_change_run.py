"""Cancel, resume and delete: each only where the run's status allows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.domain.errors import AttemptSuperseded, LlmRefused, NotFound, RunFinished, RunNotFinished
from baton.domain.runs.run import Run, Status
from tests.fakes.runs import FakeRuns
from tests.support.records import AT_NOON, NOON, OTHER_TENANT, TENANT
from tests.support.use_cases import World


def a_run_that_is(world: World, status: Status) -> Run:
    run = world.started("one", "two")
    world.runs.write(replace(run, status=status))
    return world.runs.read(TENANT, 1)


@pytest.mark.parametrize("status", ["created", "running"])
def test_cancelling_ends_the_run_and_its_execution(world: World, status: Status) -> None:
    a_run_that_is(world, status)
    world.change_run.cancel(TENANT, 1, NOON)
    run = world.runs.read(TENANT, 1)
    assert (run.status, run.completed_at) == ("cancelled", AT_NOON)
    assert world.executions.running == {}


def test_no_further_payload_starts_in_a_cancelled_run(world: World) -> None:
    run = world.started("one", "two")
    world.llm.script("a")
    following = world.execute_payload(world.step(run))
    world.change_run.cancel(TENANT, 1, NOON)
    assert world.state_machine.execute(following).outcome == "failed"
    assert len(world.llm.calls) == 1
    assert world.runs.read(TENANT, 1).status == "cancelled"
    assert [response.content for response in world.runs.read_history(TENANT, 1).responses] == ["a"]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_run_that_has_ended_is_not_cancelled(world: World, status: Status) -> None:
    ended = a_run_that_is(world, status)
    with pytest.raises(RunFinished, match=f"Run 1 is already {status}"):
        world.change_run.cancel(TENANT, 1, NOON)
    assert world.runs.read(TENANT, 1) == ended


def test_a_run_that_ends_while_it_is_being_cancelled_stays_as_it_ended(world: World) -> None:
    class EndsMeanwhile(FakeRuns):
        def read(self, tenant: str, run_id: int) -> Run:
            run = super().read(tenant, run_id)
            if run.status == "running":
                self.write(replace(run, status="completed"))
            return run

    runs = EndsMeanwhile()
    world = World(runs=runs)
    workflow = world.workflow("one")
    world.start_run(TENANT, workflow, {}, NOON)
    created = super(EndsMeanwhile, runs).read(TENANT, 1)
    FakeRuns.write(runs, replace(created, status="running"))
    with pytest.raises(AttemptSuperseded):
        world.change_run.cancel(TENANT, 1, NOON)
    assert runs.read(TENANT, 1).status == "completed"


def test_a_failed_run_goes_on_after_its_last_response(world: World) -> None:
    run = world.started("one", "{{p0}} two", "{{p1}} three")
    world.llm.script("a", LlmRefused("No such model."), "b", "c")
    world.state_machine.execute(world.step(run))
    resumed = world.change_run.resume(TENANT, 1, NOON)
    assert (resumed.status, resumed.attempt, resumed.first_position, resumed.error) == ("running", 2, 1, None)
    assert world.executions.running["acme-1-2"] == world.step(resumed, 1)
    assert world.state_machine.execute(world.step(resumed)).outcome == "completed"
    assert world.llm.prompts == ["one", "a two", "a two", "b three"]
    attempts = [response.attempt for response in world.runs.read_history(TENANT, 1).responses]
    assert attempts == [1, 2, 2]


def test_a_cancelled_run_can_be_resumed(world: World) -> None:
    world.started("one")
    world.change_run.cancel(TENANT, 1, NOON)
    resumed = world.change_run.resume(TENANT, 1, NOON)
    world.llm.script("a")
    assert world.state_machine.execute(world.step(resumed)).outcome == "completed"
    assert world.runs.read(TENANT, 1).status == "completed"


def test_what_is_left_of_the_earlier_attempt_can_not_touch_the_resumed_run(world: World) -> None:
    run = world.started("one")
    world.change_run.cancel(TENANT, 1, NOON)
    resumed = world.change_run.resume(TENANT, 1, NOON)
    assert world.state_machine.execute(world.step(run)).outcome == "failed"
    assert world.runs.read(TENANT, 1) == resumed
    assert world.llm.calls == []


@pytest.mark.parametrize("status", ["created", "running"])
def test_a_run_that_goes_on_can_be_neither_resumed_nor_deleted(world: World, status: Status) -> None:
    going_on = a_run_that_is(world, status)
    with pytest.raises(RunNotFinished, match=f"Run 1 is {status}"):
        world.change_run.resume(TENANT, 1, NOON)
    with pytest.raises(RunNotFinished, match=f"Run 1 is {status}"):
        world.change_run.delete(TENANT, 1)
    assert world.runs.read(TENANT, 1) == going_on


def test_a_completed_run_has_nothing_to_resume(world: World) -> None:
    a_run_that_is(world, "completed")
    with pytest.raises(RunFinished, match="Run 1 is already completed"):
        world.change_run.resume(TENANT, 1, NOON)


def test_a_resume_that_the_state_machine_refuses_fails_the_run_and_can_be_tried_again(world: World) -> None:
    a_run_that_is(world, "failed")
    world.executions.refusal = OSError("no state machine")
    with pytest.raises(OSError, match="no state machine"):
        world.change_run.resume(TENANT, 1, NOON)
    run = world.runs.read(TENANT, 1)
    assert (run.status, run.attempt) == ("failed", 2)
    assert run.error == "The run could not be resumed: the state machine did not accept it. Resume it again."
    world.executions.refusal = None
    assert world.change_run.resume(TENANT, 1, NOON).attempt == 3


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_ended_run_can_be_deleted(world: World, status: Status) -> None:
    a_run_that_is(world, status)
    world.change_run.delete(TENANT, 1)
    with pytest.raises(NotFound):
        world.runs.read(TENANT, 1)


@pytest.mark.parametrize(("tenant", "run_id"), [(TENANT, 99), (OTHER_TENANT, 1)])
def test_an_unknown_or_another_tenants_run_is_not_found(world: World, tenant: str, run_id: int) -> None:
    a_run_that_is(world, "failed")
    with pytest.raises(NotFound):
        world.change_run.cancel(tenant, run_id, NOON)
    with pytest.raises(NotFound):
        world.change_run.resume(tenant, run_id, NOON)
    with pytest.raises(NotFound):
        world.change_run.delete(tenant, run_id)
    assert world.runs.read(TENANT, 1).status == "failed"
