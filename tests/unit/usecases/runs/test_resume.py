"""A resume with other variables or with the newest definition, and the attempts that it stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baton.domain.catalog.definitions import Block, Definition, InlineBlock, LlmInstance, Payload, Workflow
from baton.domain.errors import Invalid, LlmRefused
from baton.domain.llm.calls import LlmAnswer, LlmCall
from baton.domain.runs.resumes import ResumeOptions
from baton.domain.runs.run import Run, StartOptions
from tests.support.records import NOON, TENANT, an_answer, payload_draft
from tests.support.use_cases import FakeBaton

LATEST = ResumeOptions(definition="latest")


def edit(fake_baton: FakeBaton, kind: type[Definition], definition_id: int, **fields: Any) -> None:
    """Replace a definition, as a user who repairs it."""
    current = fake_baton.catalog.read(TENANT, kind, definition_id)
    changed = replace(current, version=current.version + 1, **fields)
    fake_baton.catalog.replace(TENANT, current, changed, fake_baton.catalog.read_ledger(TENANT))


def failed_at_the_second(fake_baton: FakeBaton, *templates: str, **variables: Any) -> Run:
    """A run whose first payload has answered "a", and whose second one has failed."""
    run = fake_baton.started(*templates, **variables)
    fake_baton.llm.script("a", LlmRefused("No such model."))
    fake_baton.state_machine.execute(fake_baton.step(run))
    return fake_baton.runs.read(TENANT, 1)


def resume(fake_baton: FakeBaton, options: ResumeOptions, *answers: str | Exception) -> Run:
    """The run after a resume whose LLM calls have these results."""
    run = fake_baton.change_run.resume(TENANT, 1, NOON, options)
    before = len(fake_baton.llm.calls)
    fake_baton.llm.script(*answers)
    fake_baton.state_machine.execute(fake_baton.step(run))
    assert len(fake_baton.llm.calls) == before + len(answers)
    return fake_baton.runs.read(TENANT, 1)


def contents(fake_baton: FakeBaton) -> list[str]:
    return [response.content for response in fake_baton.runs.read_history(TENANT, 1).responses]


def workflow(fake_baton: FakeBaton) -> tuple[int, ...]:
    return fake_baton.catalog.read(TENANT, Workflow, 1).payloads


def new_payload(fake_baton: FakeBaton, template: str) -> int:
    inline = InlineBlock(content=template)
    return fake_baton.create(Payload, payload_draft("added", [inline], 1))


# --- Variables -------------------------------------------------------------------------------------------------------


def test_variables_of_a_resume_replace_those_of_the_same_names_for_the_remaining_payloads(
    fake_baton: FakeBaton,
) -> None:
    failed_at_the_second(fake_baton, "{{topic}} {{tone}}", "{{topic}} {{tone}} {{p0}}", topic="relays", tone="dry")
    run = resume(fake_baton, ResumeOptions(variables={"topic": "tides"}), "b")
    assert (run.status, run.attempt, run.definition_attempt) == ("completed", 2, 1)
    assert fake_baton.llm.prompts == ["relays dry", "relays dry a", "tides dry a"]
    assert fake_baton.runs.read_history(TENANT, 1).variables == {"topic": "tides", "tone": "dry"}


@pytest.mark.parametrize(
    ("reference", "before", "added"),
    [
        ("{{topic}}", {}, {"topic": "tides"}),
        ("{{topic.title}}", {"topic": {"name": "relays"}}, {"topic": {"title": "tides"}}),
    ],
)
def test_a_reference_that_was_missing_is_resolved_with_the_variables_of_a_resume(
    fake_baton: FakeBaton, reference: str, before: dict[str, Any], added: dict[str, Any]
) -> None:
    failed_at_the_second(fake_baton, "one", f"{reference} {{{{p0}}}}", **before)
    resume(fake_baton, ResumeOptions(variables=added), "b")
    assert fake_baton.llm.prompts[-1] == "tides a"
    (_, response) = fake_baton.runs.read_history(TENANT, 1).responses
    assert [reference["source"] for reference in response.metadata["references"]] == ["variable", "response"]


def test_a_resume_with_variables_that_change_no_reference_stores_no_snapshots(fake_baton: FakeBaton) -> None:
    failed_at_the_second(fake_baton, "one", "{{topic}}", topic="relays")
    assert resume(fake_baton, ResumeOptions(variables={"topic": "tides"}), "b").snapshot_versions == ()
    assert fake_baton.runs.versions == {}


def test_variables_that_are_too_large_together_are_rejected_and_nothing_changes(fake_baton: FakeBaton) -> None:
    before = failed_at_the_second(fake_baton, "one", "{{topic}}", topic="x" * 200_000)
    with pytest.raises(Invalid, match="variables: 300,015 bytes as JSON; at most 300,000"):
        fake_baton.change_run.resume(TENANT, 1, NOON, ResumeOptions(variables={"more": "x" * 99_990}))
    assert fake_baton.runs.read_attempts(TENANT, 1) == [before]


# --- The newest definition -------------------------------------------------------------------------------------------


def test_a_resume_with_the_newest_definition_executes_what_was_repaired(fake_baton: FakeBaton) -> None:
    failed_at_the_second(fake_baton, "one", "{{p0}} two", "{{p1}} three")
    edit(fake_baton, Block, 1, content="never asked again")
    edit(fake_baton, Block, 2, content="{{p0}} repaired")
    edit(fake_baton, LlmInstance, 1, model="large-1")
    run = resume(fake_baton, LATEST, "b", "c")
    assert (run.status, run.attempt, run.definition_attempt, run.completed) == ("completed", 2, 2, 3)
    assert fake_baton.llm.prompts == ["one", "a two", "a repaired", "b three"]
    assert [call.endpoint.model for call in fake_baton.llm.calls] == ["small-1", "small-1", "large-1", "large-1"]
    assert [snapshot.template for snapshot in fake_baton.runs.read_snapshots(run)] == [
        "one",
        "{{p0}} repaired",
        "{{p1}} three",
    ]


def test_a_resume_without_a_choice_executes_the_definition_that_the_run_has_used_last(fake_baton: FakeBaton) -> None:
    failed_at_the_second(fake_baton, "one", "two", "three")
    edit(fake_baton, Block, 2, content="second version")
    edit(fake_baton, Block, 3, content="third, second version")
    resume(fake_baton, LATEST, LlmRefused("No such model."))
    edit(fake_baton, Block, 2, content="third version")
    resume(fake_baton, ResumeOptions(), "b", LlmRefused("No such model."))
    edit(fake_baton, Block, 3, content="third, third version")
    run = resume(fake_baton, LATEST, "c")
    assert fake_baton.llm.prompts[2:] == [
        "second version",
        "second version",
        "third, second version",
        "third, third version",
    ]
    assert [snapshot.template for snapshot in fake_baton.runs.read_snapshots(run)] == [
        "one",
        "second version",
        "third, third version",
    ]


def test_an_error_names_the_attempt_whose_definition_was_used(fake_baton: FakeBaton) -> None:
    failed_at_the_second(fake_baton, "one", "two")
    assert "definition as it was" not in (resume(fake_baton, LATEST, LlmRefused("No.")).error or "")
    error = resume(fake_baton, ResumeOptions(), LlmRefused("No.")).error or ""
    assert "Attempt 3 used the definition as it was when attempt 2 started" in error


@pytest.mark.parametrize("added", [1, 3])
def test_a_longer_workflow_has_further_response_ids_that_no_other_run_has(fake_baton: FakeBaton, added: int) -> None:
    failed_at_the_second(fake_baton, "one", "two")
    fake_baton.start_run(TENANT, 1, {}, NOON)
    more = [new_payload(fake_baton, "{{p1}} more")] * added
    edit(fake_baton, Workflow, 1, payloads=(*workflow(fake_baton), *more))
    fake_baton.start_run(TENANT, 1, {}, NOON)
    run = resume(fake_baton, LATEST, "b", *["c"] * added)
    assert (run.status, run.total, run.completed) == ("completed", 2 + added, 2 + added)
    assert fake_baton.llm.prompts[-1] == "b more"
    ids = [response.id for response in fake_baton.runs.read_history(TENANT, 1).responses]
    others = {2: fake_baton.runs.read(TENANT, 2), 3: fake_baton.runs.read(TENANT, 3)}
    taken = {other.first_response_id + position for other in others.values() for position in range(other.total)}
    assert ids[0] == 1
    assert ids[1:] == list(range(ids[1], ids[1] + 1 + added))
    assert not taken & set(ids)
    assert len(set(ids)) == len(ids)


def test_a_shorter_workflow_ends_the_run_earlier(fake_baton: FakeBaton) -> None:
    failed_at_the_second(fake_baton, "one", "two", "three")
    edit(fake_baton, Workflow, 1, payloads=workflow(fake_baton)[:2])
    run = resume(fake_baton, LATEST, "b")
    assert (run.status, run.total, run.completed) == ("completed", 2, 2)
    assert len(fake_baton.runs.read_snapshots(run)) == 2


def test_a_workflow_whose_payloads_have_all_answered_completes_without_a_call(fake_baton: FakeBaton) -> None:
    failed_at_the_second(fake_baton, "one", "two")
    edit(fake_baton, Workflow, 1, payloads=workflow(fake_baton)[:1])
    run = resume(fake_baton, LATEST)
    assert (run.status, run.total, run.completed) == ("completed", 1, 1)
    assert contents(fake_baton) == ["a"]


def rejected(fake_baton: FakeBaton, before: Run, match: str, options: ResumeOptions = LATEST) -> None:
    """The resume is a 422, and changes nothing."""
    with pytest.raises(Invalid, match=match):
        fake_baton.change_run.resume(TENANT, 1, NOON, options)
    assert fake_baton.runs.read_attempts(TENANT, 1) == [before]
    assert fake_baton.executions.started == ["acme-1-1"]


def test_a_workflow_in_which_an_answered_payload_is_elsewhere_is_rejected(fake_baton: FakeBaton) -> None:
    before = failed_at_the_second(fake_baton, "one", "two", "three")
    edit(fake_baton, Workflow, 1, payloads=(2, 1, 3))
    rejected(fake_baton, before, "definition: payload 1 has answered at position 0, and workflow 1 has payload 2 there")


def test_a_workflow_without_an_answered_payload_is_rejected(fake_baton: FakeBaton) -> None:
    run = fake_baton.started("one", "two", "three")
    fake_baton.llm.script("a", "b", LlmRefused("No such model."))
    fake_baton.state_machine.execute(fake_baton.step(run))
    edit(fake_baton, Workflow, 1, payloads=workflow(fake_baton)[:1])
    before = fake_baton.runs.read(TENANT, 1)
    rejected(
        fake_baton, before, "definition: payload 2 has answered at position 1, and workflow 1 has no payload there"
    )


def test_a_deleted_workflow_is_rejected(fake_baton: FakeBaton) -> None:
    before = failed_at_the_second(fake_baton, "one", "two")
    current = fake_baton.catalog.read(TENANT, Workflow, 1)
    fake_baton.catalog.delete(TENANT, current, fake_baton.catalog.read_ledger(TENANT))
    rejected(fake_baton, before, "definition: workflow 1 was deleted; resume without it")


def test_a_definition_that_cannot_be_compiled_is_rejected(fake_baton: FakeBaton) -> None:
    before = failed_at_the_second(fake_baton, "one", "two")
    edit(fake_baton, Payload, 2, llm_instance=99)
    rejected(fake_baton, before, "llm_instance: payload 2 refers to the deleted LLM instance 99")


@pytest.mark.parametrize("options", [LATEST, ResumeOptions(variables={"topic": {"name": "tides"}})])
def test_a_reference_that_can_never_be_resolved_is_rejected_if_the_run_fails_for_it(
    fake_baton: FakeBaton, options: ResumeOptions
) -> None:
    workflow_id = fake_baton.workflow("{{topic.title}}", "{{topic.title}}")
    variables = {"topic": {"title": "relays"}}
    run = fake_baton.start_run(TENANT, workflow_id, variables, NOON, StartOptions(on_missing="fail"))
    fake_baton.llm.script("a", LlmRefused("No such model."))
    fake_baton.state_machine.execute(fake_baton.step(run))
    edit(fake_baton, Block, 2, content="{{nothing}}")
    expected = "nothing" if options is LATEST else "topic.title"
    match = rf"on_missing: these references can never be resolved: {{{{{expected}}}}} in 'p1' \(position 1\)\.$"
    rejected(fake_baton, fake_baton.runs.read(TENANT, 1), match, options)


# --- Attempts --------------------------------------------------------------------------------------------------------


def test_each_attempt_is_stored_as_the_run_was_at_its_end(fake_baton: FakeBaton) -> None:
    first = failed_at_the_second(fake_baton, "one", "two")
    resumed = fake_baton.change_run.resume(TENANT, 1, NOON, ResumeOptions(correlation_id="call-2", started_by="key-2"))
    assert fake_baton.runs.read_attempts(TENANT, 1) == [first, resumed]
    fake_baton.change_run.cancel(TENANT, 1, NOON, "key-3")
    second = fake_baton.runs.read(TENANT, 1)
    assert (second.status, second.started_by, second.cancelled_by) == ("cancelled", "key-2", "key-3")
    third = resume(fake_baton, ResumeOptions(correlation_id="call-3"), "b")
    assert fake_baton.runs.read_attempts(TENANT, 1) == [first, second, third]
    assert (third.status, third.started_by, third.cancelled_by) == ("completed", None, None)


def test_the_start_of_a_run_is_that_of_its_first_attempt_and_each_attempt_has_its_own(fake_baton: FakeBaton) -> None:
    first = failed_at_the_second(fake_baton, "one", "two")
    fake_baton.clock.advance(60)
    second = fake_baton.change_run.resume(TENANT, 1, fake_baton.clock(), ResumeOptions())
    assert second.started_at == first.started_at
    assert (second.attempt_started_at or "") > (first.completed_at or "") > (first.started_at or "")


def test_an_answer_of_a_cancelled_attempt_that_arrives_after_the_resume_is_used_by_the_next_one(
    fake_baton: FakeBaton,
) -> None:
    run = fake_baton.started("one", "{{p0}} two")

    def resumed_meanwhile(_call: LlmCall, _listener: object) -> LlmAnswer:
        fake_baton.change_run.cancel(TENANT, 1, NOON)
        fake_baton.state_machine.start(fake_baton.step(fake_baton.change_run.resume(TENANT, 1, NOON)))
        return an_answer("late")

    replace(fake_baton.execute_payload, llm=resumed_meanwhile)(fake_baton.step(run))
    fake_baton.llm.script("b")
    assert fake_baton.state_machine.execute(fake_baton.step(fake_baton.runs.read(TENANT, 1))).outcome == "completed"
    assert fake_baton.llm.prompts == ["late two"]
    assert [response.attempt for response in fake_baton.runs.read_history(TENANT, 1).responses] == [1, 2]
