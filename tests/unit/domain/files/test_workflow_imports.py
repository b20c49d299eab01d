"""Imports: the change that a file makes to each definition of the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from baton.domain.catalog.definitions import BlockDraft, InlineBlock, PayloadDraft, WorkflowDraft
from baton.domain.files.workflow_files import BrokenFile, FilePayload, WorkflowFile, export
from baton.domain.files.workflow_imports import Existing, Plan, drafts, plan
from baton.domain.llm.settings import LlmSettings
from tests.support.workflow_file_strategies import (
    catalog_with,
    definitions_in,
    files,
    imported,
    instances_of,
)

ASK = BlockDraft(title="Ask", content="Why?")
FIRST = FilePayload(name="first", blocks=("Ask", InlineBlock(content="Now.")), llm_instance="demo")
SECOND = FilePayload(name="second", blocks=("Ask",), llm_instance="demo", settings=LlmSettings(temperature=0.5))
RELAY = WorkflowFile(name="Relay", order=("first", "second"), payloads=(FIRST, SECOND), blocks=(ASK,))


def actions(planned: Plan) -> list[tuple[str, str, str]]:
    return [(change.kind, change.name, change.action) for change in planned.changes]


def differences(file: WorkflowFile) -> dict[str, Any]:
    """The plan of importing the file into a catalog that contains RELAY."""
    return {change.name: change.differences for change in plan(file, catalog_with(RELAY)).to_save}


def test_in_an_empty_catalog_everything_is_created_blocks_first_and_the_workflow_last() -> None:
    planned = plan(RELAY, Existing(instances=instances_of(RELAY)))
    assert actions(planned) == [
        ("BLOCK", "Ask", "create"),
        ("PAYLOAD", "first", "create"),
        ("PAYLOAD", "second", "create"),
        ("WORKFLOW", "Relay", "create"),
    ]
    assert planned.changes[0].differences == {
        "content": (None, "Why?"),
        "tags": (None, []),
        "folder_path": (None, "/"),
    }


def test_drafts_refer_to_the_reserved_ids() -> None:
    planned = plan(RELAY, Existing(instances=instances_of(RELAY)))
    reserved = {("BLOCK", "Ask"): 7, ("PAYLOAD", "first"): 8, ("PAYLOAD", "second"): 9, ("WORKFLOW", "Relay"): 10}
    assert [draft for _, draft in drafts(planned, reserved)] == [  # type: ignore[arg-type]
        BlockDraft(title="Ask", content="Why?"),
        PayloadDraft(name="first", blocks=(7, InlineBlock(content="Now.")), llm_instance=1),
        PayloadDraft(name="second", blocks=(7,), llm_instance=1, settings=LlmSettings(temperature=0.5)),
        WorkflowDraft(name="Relay", payloads=(8, 9)),
    ]


@settings(deadline=None)
@given(files())
def test_importing_a_file_twice_changes_nothing_the_second_time(file: WorkflowFile) -> None:
    present = catalog_with(file)
    again = plan(file, present)
    assert {change.action for change in again.changes} == {"keep"}
    assert not again.to_save
    assert not drafts(again, {})


@settings(deadline=None)
@given(files(), files())
def test_an_import_over_other_definitions_stores_what_the_file_contains(
    before: WorkflowFile, file: WorkflowFile
) -> None:
    named = instances_of(replace(file, payloads=before.payloads + file.payloads))
    start = Existing(instances=named)
    present = imported(plan(before, start), start)
    if before.name != file.name:
        present = replace(present, workflow=None)
    after = imported(plan(file, present), present)
    assert plan(file, after).to_save == ()
    assert export(definitions_in(after)).order == file.order


def test_only_definitions_that_differ_are_replaced_and_old_and_new_values_are_shown() -> None:
    warmer = replace(SECOND, settings=LlmSettings(max_tokens=10), blocks=("Ask", InlineBlock(content="Soon.")))
    assert differences(replace(RELAY, payloads=(FIRST, warmer))) == {
        "second": {
            "blocks": (["Ask"], ["Ask", {"content": "Soon."}]),
            "temperature": (0.5, None),
            "max_tokens": (None, 10),
        }
    }
    tagged = replace(ASK, tags=("new",), folder_path="/a")
    assert differences(replace(RELAY, blocks=(tagged,))) == {"Ask": {"tags": ([], ["new"]), "folder_path": ("/", "/a")}}
    assert differences(replace(RELAY, order=("second",))) == {"Relay": {"payloads": (["first", "second"], ["second"])}}


def test_a_replacement_has_the_id_and_the_current_version_of_the_stored_definition() -> None:
    present = catalog_with(RELAY)
    ((change, draft),) = drafts(plan(replace(RELAY, order=("second",)), present), {})
    assert change.current == present.workflow
    assert draft == WorkflowDraft(name="Relay", payloads=(1_002,))


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ("1", 1)])
def test_values_that_are_equal_only_in_python_differ(old: Any, new: Any) -> None:
    def with_option(value: Any) -> WorkflowFile:
        return replace(RELAY, payloads=(FIRST, replace(SECOND, settings=LlmSettings(options={"x": value}))))

    planned = plan(with_option(new), catalog_with(with_option(old)))
    assert [change.name for change in planned.to_save] == ["second"]


def test_a_reference_to_a_deleted_definition_is_replaced_and_shown_by_its_id() -> None:
    present = catalog_with(RELAY)
    without = replace(present, payloads=tuple(payload for payload in present.payloads if payload.name != "first"))
    workflow = plan(RELAY, without).to_save[-1]
    assert workflow.differences == {"payloads": (["{1001}", "second"], ["first", "second"])}


def test_an_unknown_llm_instance_is_rejected_with_its_path() -> None:
    with pytest.raises(BrokenFile) as refused:
        plan(replace(RELAY, payloads=(FIRST, replace(SECOND, llm_instance="dmeo"))), catalog_with(RELAY))
    assert str(refused.value) == "payloads[1].llm_instance: there is no LLM instance 'dmeo'; create it first."
