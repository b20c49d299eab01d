"""A rerun: a new run of the same workflow as it is now."""

from __future__ import annotations

from typing import Any

import pytest

from baton.domain.errors import Invalid, NotFound
from baton.domain.runs.run import Run, StartOptions
from tests.support.records import NOON, OTHER_TENANT, TENANT
from tests.support.use_cases import FakeBaton


def completed(fake_baton: FakeBaton, **variables: Any) -> Run:
    run = fake_baton.started("{{topic}} {{tone}}", **variables)
    fake_baton.llm.script("a")
    fake_baton.state_machine.execute(fake_baton.step(run))
    return fake_baton.runs.read(TENANT, run.id)


def test_a_rerun_is_a_new_run_with_the_variables_of_the_other_one_and_its_own_answers(fake_baton: FakeBaton) -> None:
    before = completed(fake_baton, topic="relays", tone="dry")
    run = fake_baton.rerun(TENANT, 1, {"topic": "tides"}, NOON)
    assert (run.id, run.status, run.rerun_of, run.attempt) == (2, "created", 1, 1)
    assert fake_baton.runs.read_history(TENANT, 2).variables == {"topic": "tides", "tone": "dry"}
    fake_baton.llm.script("b")
    assert fake_baton.state_machine.execute(fake_baton.step(run)).outcome == "completed"
    assert fake_baton.llm.prompts == ["relays dry", "tides dry"]
    assert fake_baton.runs.read(TENANT, 1) == before


def test_a_run_that_has_not_ended_can_be_rerun(fake_baton: FakeBaton) -> None:
    fake_baton.started("one")
    assert fake_baton.rerun(TENANT, 1, {}, NOON).rerun_of == 1


def test_a_rerun_handles_missing_references_as_the_run_does_unless_it_chooses(fake_baton: FakeBaton) -> None:
    workflow = fake_baton.workflow("one")
    fake_baton.start_run(TENANT, workflow, {}, NOON, StartOptions(on_missing="fail"))
    assert fake_baton.rerun(TENANT, 1, {}, NOON).on_missing == "fail"
    chosen = StartOptions(on_missing="empty", correlation_id="call-2", started_by="key-2")
    run = fake_baton.rerun(TENANT, 1, {}, NOON, chosen)
    assert (run.on_missing, run.correlation_id, run.started_by) == ("empty", "call-2", "key-2")


def test_variables_of_a_rerun_that_are_too_large_are_rejected(fake_baton: FakeBaton) -> None:
    completed(fake_baton, topic="x" * 200_000)
    with pytest.raises(Invalid, match="variables"):
        fake_baton.rerun(TENANT, 1, {"tone": "x" * 100_000}, NOON)


@pytest.mark.parametrize(("tenant", "run_id"), [(TENANT, 99), (OTHER_TENANT, 1)])
def test_an_unknown_run_or_one_of_another_tenant_is_not_rerun(fake_baton: FakeBaton, tenant: str, run_id: int) -> None:
    fake_baton.started("one")
    with pytest.raises(NotFound, match=f"There is no run {run_id}"):
        fake_baton.rerun(tenant, run_id, {}, NOON)
