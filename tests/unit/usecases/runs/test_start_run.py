"""Start a run: with a snapshot of its definition, without an LLM call, and failed if its execution can't start."""

from __future__ import annotations

import pytest

from baton.domain.catalog.definitions import Block, new_version
from baton.domain.errors import Invalid, NotFound
from baton.domain.runs.run import MAX_VARIABLES_BYTES
from tests.support.records import AT_NOON, NOON, OTHER_TENANT, TENANT, block_draft
from tests.support.use_cases import FakeBaton


def test_a_run_is_created_and_its_execution_starts(fake_baton: FakeBaton) -> None:
    run = fake_baton.start_run(TENANT, fake_baton.workflow("one", "two"), {"topic": "relays"}, NOON)
    assert run == fake_baton.runs.read(TENANT, 1)
    assert (run.status, run.total, run.attempt, run.position, run.completed) == ("created", 2, 1, 0, 0)
    assert (run.workflow_id, run.workflow_name, run.created_at, run.started_at) == (1, "Relay", AT_NOON, None)
    assert run.expires_at == int(NOON.timestamp()) + 90 * 24 * 3600
    assert fake_baton.runs.read_history(TENANT, 1).variables == {"topic": "relays"}
    assert list(fake_baton.executions.running.values()) == [fake_baton.step(run, 0)]


def test_starting_a_run_calls_no_llm(fake_baton: FakeBaton) -> None:
    fake_baton.start_run(TENANT, fake_baton.workflow("one"), {}, NOON)
    assert fake_baton.llm.calls == []


def test_runs_and_responses_have_consecutive_ids(fake_baton: FakeBaton) -> None:
    workflow = fake_baton.workflow("one", "two", "three")
    runs = [fake_baton.start_run(TENANT, workflow, {}, NOON) for _ in range(3)]
    assert [(run.id, run.first_response_id) for run in runs] == [(1, 1), (2, 4), (3, 7)]


def test_a_later_edit_does_not_change_the_run(fake_baton: FakeBaton) -> None:
    run = fake_baton.start_run(TENANT, fake_baton.workflow("as it was"), {}, NOON)
    block = fake_baton.catalog.read(TENANT, Block, 1)
    following = new_version(block, block_draft(block.name, "as it is now"), AT_NOON)
    fake_baton.catalog.replace(TENANT, block, following, fake_baton.catalog.read_ledger(TENANT))
    fake_baton.llm.script("a")
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert fake_baton.llm.prompts == ["as it was"]


def test_an_error_of_the_state_machine_fails_the_run_and_is_raised(fake_baton: FakeBaton) -> None:
    workflow = fake_baton.workflow("one")
    fake_baton.executions.refusal = OSError("no state machine")
    with pytest.raises(OSError, match="no state machine"):
        fake_baton.start_run(TENANT, workflow, {}, NOON)
    run = fake_baton.runs.read(TENANT, 1)
    assert (run.status, run.completed_at) == ("failed", AT_NOON)
    assert run.error == (
        "The run could not be started: the state machine did not accept it. Execute the workflow again."
    )


@pytest.mark.parametrize(("tenant", "workflow_id"), [(TENANT, 99), (OTHER_TENANT, 1)])
def test_an_unknown_workflow_or_one_of_another_tenant_creates_no_run(
    fake_baton: FakeBaton, tenant: str, workflow_id: int
) -> None:
    fake_baton.workflow("one")
    with pytest.raises(NotFound, match=f"There is no workflow {workflow_id}"):
        fake_baton.start_run(tenant, workflow_id, {}, NOON)
    assert (fake_baton.runs.changes, fake_baton.executions.started) == ([], [])


def test_a_workflow_without_payloads_creates_no_run(fake_baton: FakeBaton) -> None:
    with pytest.raises(Invalid, match="payloads: workflow 1 has none"):
        fake_baton.start_run(TENANT, fake_baton.workflow(), {}, NOON)
    assert (fake_baton.runs.changes, fake_baton.executions.started) == ([], [])


def test_variables_that_are_too_long_create_no_run(fake_baton: FakeBaton) -> None:
    with pytest.raises(Invalid, match="variables: "):
        fake_baton.start_run(TENANT, fake_baton.workflow("one"), {"a": "x" * MAX_VARIABLES_BYTES}, NOON)
    assert (fake_baton.runs.changes, fake_baton.executions.started) == ([], [])
