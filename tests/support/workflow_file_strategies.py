"""Strategies for all workflow files that clients can write, and the catalog after their import."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from baton.api.bodies import blocks as block_bodies
from baton.api.bodies import fields
from baton.domain.catalog.definitions import (
    Block,
    BlockDraft,
    InlineBlock,
    LlmInstance,
    LlmInstanceDraft,
    Payload,
    PayloadDraft,
    Workflow,
    WorkflowBundle,
    WorkflowDraft,
    new_definition,
)
from baton.domain.files.workflow_files import FilePayload, WorkflowFile
from baton.domain.files.workflow_imports import Existing, Ids, Plan, drafts, plan
from baton.domain.llm.settings import SETTING_NAMES, LlmSettings
from baton.domain.plain_text import text_error
from tests.support.records import AT_NOON

_SPACES_AND_CONTROLS = "\n\n\n   \t\r\x85\u2028\u2029\ufeff\x00\x1b\x7f\xa0\u200d"
_OTHERS = "abc\ud7ff\ue000\uffff\U0001f600\U0010ffff:#-'\"&*!|>%@`\\,[]{}?=<~$."
_ODD_TEXTS = [
    *("", " ", "\n", "\n\n", " \n ", "a\n", "a\n\n", "a\n\n\n", "\na", "\n\n  a\n", "  a\n b", "\ta\n\tb", "a \nb\t\n"),
    *("a\r\nb", "a\u2028b\nc", "a\n   ", "a\n   \n", "   \na", "a\n\n   b\n\n", "é", "日本語\nテキスト", "👩‍🚀\na"),
    *("yes", "No", "on", "null", "~", "true", "1", "1e3", "0x10", "012", "1_000", "1:30", ".inf", "2024-01-31", "<<"),
    *(
        "---",
        "---\na",
        "...\nb",
        "# a\nb",
        "a # b",
        "a: b",
        "a:",
        "- a\n- b",
        "{{a}}",
        "[a]",
        "*a",
        "&a",
        "!a",
        "%a\nb",
    ),
    *("x" * 5000, "word " * 2000),
]
_any_text = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text(_SPACES_AND_CONTROLS + _OTHERS, max_size=30),
    st.sampled_from(_ODD_TEXTS),
)


@st.composite
def _text(draw: st.DrawFn) -> str:
    """A function, so that hypothesis has a short name for it where it prints a strategy."""
    return draw(_any_text)


texts = _text()


def _accepted(kind: Any) -> st.SearchStrategy[str]:
    """Texts in the form in which ``kind`` accepts them."""
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    def block_of_payload(text: str) -> str | None:
        try:
            return adapter.validate_python("".join(one for one in text if one not in "{}" and not text_error(one)))
        except ValidationError:
            return None

    return texts.map(block_of_payload).filter(bool).map(str)


names = _accepted(fields.Name)
tags = _accepted(block_bodies.Tag)
folders = _accepted(block_bodies.FolderPath)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=3)
_explicit_settings = st.builds(
    LlmSettings,
    system=st.none() | texts,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1, exclude_min=True),
    max_tokens=st.none() | st.integers(1, 10_000_000),
    stop=st.none() | st.lists(texts.filter(lambda text: 0 < len(text) <= 200), max_size=4).map(tuple),
    seed=st.none() | st.integers(-(2**63), 2**63 - 1),
    response_format=st.none() | st.sampled_from(["text", "json"]) | objects,
    model=st.none() | names,
    timeout_seconds=st.none() | st.floats(0, 840, exclude_min=True),
    options=objects,
)


@st.composite
def _with_some_unset(draw: st.DrawFn) -> LlmSettings:
    explicit = draw(_explicit_settings)
    left_open = sorted(set(SETTING_NAMES) - explicit.to_dict().keys())
    return replace(explicit, unset=tuple(name for name in left_open if draw(st.booleans())))


settings = _with_some_unset()
blocks = st.builds(
    BlockDraft,
    title=names,
    content=texts,
    tags=st.lists(tags, max_size=3).map(tuple),
    folder_path=folders,
)


@st.composite
def files(draw: st.DrawFn) -> WorkflowFile:
    unique_blocks = tuple(draw(st.lists(blocks, max_size=4, unique_by=lambda block: block.title)))
    inline = st.builds(InlineBlock, content=texts)
    block_of_payload = (
        st.one_of(st.sampled_from([block.title for block in unique_blocks]), inline) if unique_blocks else inline
    )
    payload = st.builds(
        FilePayload,
        name=names,
        blocks=st.lists(block_of_payload, min_size=1, max_size=4).map(tuple),
        llm_instance=names,
        settings=settings,
    )
    payloads = tuple(draw(st.lists(payload, max_size=3, unique_by=lambda payload: payload.name)))
    order = st.lists(st.sampled_from([payload.name for payload in payloads]), max_size=5) if payloads else st.just([])
    return WorkflowFile(name=draw(names), order=tuple(draw(order)), payloads=payloads, blocks=unique_blocks)


def instances_of(file: WorkflowFile) -> tuple[LlmInstance, ...]:
    """The LLM instances that the file names, which must exist before the import."""
    named = dict.fromkeys(payload.llm_instance for payload in file.payloads)
    return tuple(
        new_definition(LlmInstance, LlmInstanceDraft(name=name, provider="simulated", model="small-1"), id_, AT_NOON)
        for id_, name in enumerate(named, start=1)
    )


def imported(planned: Plan, existing: Existing) -> Existing:
    """The catalog after the changes of the plan, as a use case saves them."""
    wanted = [(change.kind, change.name) for change in planned.changes if change.action == "create"]
    free = max([999, *(one.id for one in (*existing.blocks, *existing.payloads))]) + 1
    reserved: Ids = {named: id_ for id_, named in enumerate(wanted, start=free)}
    stored_blocks = {block.title: block for block in existing.blocks}
    stored_payloads = {payload.name: payload for payload in existing.payloads}
    workflow = existing.workflow
    for change, draft in drafts(planned, reserved):
        id_ = change.current.id if change.current else reserved[change.kind, change.name]
        match draft:
            case BlockDraft():
                stored_blocks[draft.title] = new_definition(Block, draft, id_, AT_NOON)
            case PayloadDraft():
                stored_payloads[draft.name] = new_definition(Payload, draft, id_, AT_NOON)
            case WorkflowDraft():
                workflow = new_definition(Workflow, draft, id_, AT_NOON)
    return Existing(
        workflow=workflow,
        payloads=tuple(stored_payloads.values()),
        blocks=tuple(stored_blocks.values()),
        instances=existing.instances,
    )


def catalog_with(file: WorkflowFile) -> Existing:
    """The catalog after the file was imported into an empty one."""
    empty = Existing(instances=instances_of(file))
    return imported(plan(file, empty), empty)


def definitions_in(existing: Existing) -> WorkflowBundle:
    """The definitions that a run of the imported workflow uses."""
    assert existing.workflow is not None
    return WorkflowBundle(
        workflow=existing.workflow,
        payloads={payload.id: payload for payload in existing.payloads},
        blocks={block.id: block for block in existing.blocks},
        instances={instance.id: instance for instance in existing.instances},
    )
