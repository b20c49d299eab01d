"""Executions: the fake and Step Functions behave the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from baton.adapters.step_functions import StepFunctionsExecutions
from baton.domain.runs.steps import Step
from baton.usecases.runs.ports import Executions
from tests.fakes.state_machine import FakeExecutions
from tests.support.aws import STATE_MACHINE_ARN, Account
from tests.support.records import OTHER_TENANT, a_run

ANY_DEFINITION = '{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": true}}}'


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An Executions, and the input of each execution that is running, by its name."""

    executions: Executions
    running: Callable[[], dict[str, Step]]


@pytest.fixture(params=["fake", "step functions"])
def machine(request: pytest.FixtureRequest) -> Machine:
    if request.param == "fake":
        fake = FakeExecutions()
        return Machine(executions=fake, running=lambda: fake.running)
    aws: Account = request.getfixturevalue("aws")
    aws.create_state_machine(ANY_DEFINITION)
    return Machine(
        executions=StepFunctionsExecutions(aws.stepfunctions, STATE_MACHINE_ARN), running=lambda: _running(aws)
    )


def _running(aws: Account) -> dict[str, Step]:
    listed = aws.stepfunctions.list_executions(stateMachineArn=STATE_MACHINE_ARN, statusFilter="RUNNING")
    described = [
        aws.stepfunctions.describe_execution(executionArn=execution["executionArn"])
        for execution in listed["executions"]
    ]
    return {execution["name"]: Step.from_event(json.loads(execution["input"])) for execution in described}


def test_an_execution_starts_at_the_first_position_of_the_attempt_with_its_correlation_id(machine: Machine) -> None:
    machine.executions.start(a_run(id=3, attempt=2, first_position=4, correlation_id="call-2"))
    step = Step(tenant="acme", run_id=3, attempt=2, position=4, correlation_id="call-2")
    assert machine.running() == {"acme-3-2": step}


def test_starting_an_attempt_twice_starts_it_once(machine: Machine) -> None:
    machine.executions.start(a_run())
    machine.executions.start(a_run())
    assert list(machine.running()) == ["acme-1-1"]


def test_an_attempt_that_has_ended_is_not_started_again(machine: Machine) -> None:
    machine.executions.start(a_run())
    machine.executions.stop(a_run())
    machine.executions.start(a_run())
    assert machine.running() == {}


def test_runs_attempts_and_tenants_have_separate_executions(machine: Machine) -> None:
    for run in (a_run(), a_run(id=2), a_run(attempt=2), a_run(tenant=OTHER_TENANT)):
        machine.executions.start(run)
    assert set(machine.running()) == {"acme-1-1", "acme-2-1", "acme-1-2", "globex-1-1"}


def test_stop_ends_only_the_current_attempt(machine: Machine) -> None:
    machine.executions.start(a_run())
    machine.executions.start(a_run(id=2))
    machine.executions.stop(a_run())
    assert list(machine.running()) == ["acme-2-1"]


def test_stopping_a_missing_execution_is_not_an_error(machine: Machine) -> None:
    machine.executions.start(a_run())
    machine.executions.stop(a_run(attempt=2))
    machine.executions.stop(a_run(id=99))
    assert list(machine.running()) == ["acme-1-1"]


def test_a_missing_state_machine_is_an_error(aws: Account) -> None:
    executions = StepFunctionsExecutions(aws.stepfunctions, STATE_MACHINE_ARN)
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):
        executions.start(a_run())
