"""Workflow files in the domain: export, and the errors of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from baton.domain.catalog.definitions import MAX_TEMPLATE_BYTES, BlockDraft, InlineBlock, WorkflowBundle
from baton.domain.errors import Invalid
from baton.domain.field_errors import FieldError
from baton.domain.files.workflow_files import BrokenFile, FilePayload, WorkflowFile, check, export
from baton.domain.llm.settings import LlmSettings
from tests.support.workflow_file_strategies import catalog_with, definitions_in, files

ASK = BlockDraft(title="Ask", content="Why?")
ROLE = BlockDraft(title="Role", content="You answer.", tags=("kept",), folder_path="/demo")
FIRST = FilePayload(name="first", blocks=("Ask", InlineBlock(content="Now.")), llm_instance="demo")
SECOND = FilePayload(
    name="second", blocks=("Role", "Ask"), llm_instance="other", settings=LlmSettings(temperature=0.0, stop=("END",))
)
RELAY = WorkflowFile(name="Relay", order=("second", "first", "second"), payloads=(FIRST, SECOND), blocks=(ASK, ROLE))


def without(definitions: WorkflowBundle, section: str, gone: int) -> WorkflowBundle:
    left = {id_: one for id_, one in getattr(definitions, section).items() if id_ != gone}
    sections: dict[str, Any] = {section: left}
    return replace(definitions, **sections)


def faults_of(file: WorkflowFile) -> list[tuple[str, str]]:
    with pytest.raises(BrokenFile) as refused:
        check(file)
    return [(fault.field, fault.detail) for fault in refused.value.errors]


def test_an_export_has_payloads_and_blocks_in_the_order_of_their_first_use() -> None:
    exported = export(definitions_in(catalog_with(RELAY)))
    assert exported == replace(RELAY, payloads=(SECOND, FIRST), blocks=(ROLE, ASK))


def test_an_export_omits_definitions_that_the_workflow_does_not_use() -> None:
    exported = export(definitions_in(catalog_with(replace(RELAY, order=("first",)))))
    assert exported == WorkflowFile(name="Relay", order=("first",), payloads=(FIRST,), blocks=(ASK,))


@settings(deadline=None)
@given(files())
def test_an_export_is_consistent_and_its_import_exports_the_same(file: WorkflowFile) -> None:
    exported = export(definitions_in(catalog_with(file)))
    check(exported)
    assert export(definitions_in(catalog_with(exported))) == exported


@pytest.mark.parametrize(
    ("section", "gone", "sentence"),
    [
        ("payloads", 1003, "payloads: the workflow refers to payload 1003, which was deleted."),
        ("blocks", 1001, "blocks: the workflow refers to block 1001, which was deleted."),
        ("instances", 2, "llm_instance: the workflow refers to LLM instance 2, which was deleted."),
    ],
)
def test_a_workflow_that_refers_to_a_deleted_definition_is_not_exported(section: str, gone: int, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        export(without(definitions_in(catalog_with(RELAY)), section, gone))
    assert str(refused.value) == sentence


def test_a_consistent_file_is_accepted() -> None:
    check(RELAY)


def test_definitions_that_the_workflow_does_not_use_are_accepted() -> None:
    check(replace(RELAY, order=(), blocks=(*RELAY.blocks, BlockDraft(title="Spare", content=""))))


@pytest.mark.parametrize(
    ("file", "field", "sentence"),
    [
        (
            replace(RELAY, order=("first", "frist")),
            "workflow.payloads[1]",
            "no payload in this file is named 'frist'",
        ),
        (
            replace(RELAY, payloads=(SECOND, replace(FIRST, blocks=("Ask", "Aks")))),
            "payloads[1].blocks[1]",
            "no block in this file has the title 'Aks'",
        ),
        (
            replace(RELAY, payloads=(FIRST, SECOND, SECOND)),
            "payloads[2].name",
            "payloads[1] has the name 'second' already",
        ),
        (
            replace(RELAY, blocks=(ASK, ROLE, ASK)),
            "blocks[2].title",
            "blocks[0] has the title 'Ask' already",
        ),
    ],
)
def test_a_name_that_is_defined_twice_or_not_at_all_is_rejected(file: WorkflowFile, field: str, sentence: str) -> None:
    assert faults_of(file) == [(field, sentence)]


def test_a_template_has_the_same_maximum_as_in_a_run() -> None:
    long = BlockDraft(title="Long", content="é" * 50_000)
    rest = BlockDraft(title="Rest", content="x" * (MAX_TEMPLATE_BYTES - 200_000 - 4))
    payload = replace(FIRST, blocks=("Long", "Long", "Rest"))
    file = WorkflowFile(name="Long", order=("first",), payloads=(payload,), blocks=(long, rest))
    check(file)
    longer = replace(file, blocks=(long, replace(rest, content=rest.content + "x")))
    assert faults_of(longer) == [("payloads[0].blocks", "have 1,000,001 bytes of text; at most 1,000,000")]


def test_a_definition_has_the_same_maximum_as_in_the_store() -> None:
    large = replace(SECOND, settings=LlmSettings(options={"x": "é" * 760_000}))
    controls = BlockDraft(title="Controls", content="\x00" * 260_000)
    faults = faults_of(replace(RELAY, payloads=(FIRST, large), blocks=(ASK, ROLE, controls)))
    assert [field for field, _ in faults] == ["blocks[2]", "payloads[1]"]
    assert all(sentence.endswith(" bytes as a definition; at most 1,500,000 can be stored") for _, sentence in faults)


def test_the_first_five_errors_are_named_and_all_are_listed() -> None:
    with pytest.raises(BrokenFile) as refused:
        check(replace(RELAY, order=tuple("abcdefg")))
    sentence = str(refused.value)
    assert sentence.startswith("workflow.payloads[0]: no payload in this file is named 'a'; workflow.payloads[1]: no ")
    assert sentence.endswith("workflow.payloads[4]: no payload in this file is named 'e' (and 2 more).")
    assert refused.value.field == "workflow.payloads[0]"
    assert len(refused.value.errors) == 7


def test_the_place_of_an_error_has_line_and_path_where_known_and_a_maximum_length() -> None:
    assert FieldError(path=(), detail="").place == "file"
    assert FieldError(path=(), detail="", line=3).place == "line 3"
    assert FieldError(path=("blocks", 0, "title"), detail="", line=3).place == "line 3: blocks[0].title"
    assert len(FieldError(path=("x" * 10_000,), detail="").place) < 300
