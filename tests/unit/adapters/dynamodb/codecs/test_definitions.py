"""Definitions as items: each kind is read back, and older items have the defaults of attributes that they lack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baton.adapters.dynamodb.codecs.attributes import from_attributes
from baton.adapters.dynamodb.codecs.definitions import definition_from_item, definition_to_item, ledger_from_item
from baton.domain.catalog.definitions import (
    Block,
    Definition,
    Draft,
    InlineBlock,
    Ledger,
    LlmInstance,
    Payload,
    Workflow,
    new_definition,
)
from baton.domain.llm.endpoints import LlmLimits, LlmPrice
from baton.domain.llm.settings import LlmSettings
from tests.support.records import (
    AT_NOON,
    TENANT,
    block_draft,
    instance_draft,
    payload_draft,
    workflow_draft,
)

FULL_INSTANCE = instance_draft(
    base_url="https://llm.example/v1",
    defaults=LlmSettings(temperature=0.5, stop=("END",), response_format={"type": "object"}),
    timeout_seconds=12.5,
    price=LlmPrice(prompt=0.15, completion=0.6),
    has_api_key=True,
    api_key_version=3,
    api_key_header="x-key",
    limits=LlmLimits(max_concurrency=2),
    fallback=7,
)
DRAFTS: list[tuple[type[Definition], Draft]] = [
    (Block, block_draft()),
    (Block, replace(block_draft(), tags=())),
    (Payload, payload_draft(blocks=(1, InlineBlock(content="Inline."), 2))),
    (Payload, replace(payload_draft(), settings=LlmSettings(seed=0, unset=("options", "stop")))),
    (Workflow, workflow_draft(payloads=(2, 1, 2))),
    (Workflow, workflow_draft(payloads=())),
    (LlmInstance, instance_draft()),
    (LlmInstance, FULL_INSTANCE),
]


@pytest.mark.parametrize(("kind", "draft"), DRAFTS)
def test_a_stored_definition_is_read_back(kind: type[Definition], draft: Draft) -> None:
    definition = new_definition(kind, draft, 5, AT_NOON)
    assert definition_from_item(kind, definition_to_item(TENANT, definition)) == definition


@pytest.mark.parametrize(
    ("kind", "draft", "absent"),
    [
        (Block, replace(block_draft(), tags=(), folder_path="/"), ("tags", "folder_path")),
        (Payload, replace(payload_draft(), settings=LlmSettings()), ("settings",)),
        (LlmInstance, instance_draft(), ("defaults", "timeout_seconds", "has_api_key", "api_key_version")),
    ],
)
def test_an_older_item_has_the_defaults_of_attributes_that_it_lacks(
    kind: type[Definition], draft: Draft, absent: tuple[str, ...]
) -> None:
    definition = new_definition(kind, draft, 5, AT_NOON)
    item = definition_to_item(TENANT, definition)
    assert set(absent) <= item.keys()
    older = {name: value for name, value in item.items() if name not in absent}
    assert definition_from_item(kind, older) == definition


def test_an_item_lists_the_definitions_that_it_refers_to() -> None:
    item = definition_to_item(TENANT, new_definition(Payload, payload_draft(blocks=(1, 2), llm_instance=3), 5, AT_NOON))
    assert from_attributes(item)["refers_to"] == {"BLOCK#1", "BLOCK#2", "LLM_INSTANCE#3"}


def test_a_tenant_without_a_ledger_has_one_with_counts_of_zero() -> None:
    assert ledger_from_item({}) == Ledger()
    assert ledger_from_item({"links": {"N": "2"}, "deletions": {"N": "1"}}) == Ledger(links=2, deletions=1)
