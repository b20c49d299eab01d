"""Definitions of every kind, in the one place that lists their codecs; and the ledger that counts their changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes
from baton.adapters.dynamodb.codecs.block import block_from_item, block_to_item
from baton.adapters.dynamodb.codecs.llm_instance import llm_instance_from_item, llm_instance_to_item
from baton.adapters.dynamodb.codecs.payload import payload_from_item, payload_to_item
from baton.adapters.dynamodb.codecs.workflow import workflow_from_item, workflow_to_item
from baton.domain.catalog.definitions import Definition, Ledger
from baton.domain.kinds import Kind

_TO_ITEM: Mapping[Kind, Callable[[str, Any], Item]] = {
    "BLOCK": block_to_item,
    "PAYLOAD": payload_to_item,
    "WORKFLOW": workflow_to_item,
    "LLM_INSTANCE": llm_instance_to_item,
}
_FROM_ITEM: Mapping[Kind, Callable[[Item], Definition]] = {
    "BLOCK": block_from_item,
    "PAYLOAD": payload_from_item,
    "WORKFLOW": workflow_from_item,
    "LLM_INSTANCE": llm_instance_from_item,
}


def definition_to_item(tenant: str, definition: Definition) -> Item:
    """The whole item, however large."""
    return _TO_ITEM[definition.kind](tenant, definition)


def definition_from_item[D: Definition](kind: type[D], item: Item) -> D:
    """The definition that an item contains."""
    return cast("D", _FROM_ITEM[kind.kind](item))


def ledger_from_item(item: Mapping[str, Any]) -> Ledger:
    """The ledger of a tenant; without an item, nothing has been counted."""
    stored = from_attributes(item)
    return Ledger(links=stored.get("links", 0), deletions=stored.get("deletions", 0))
