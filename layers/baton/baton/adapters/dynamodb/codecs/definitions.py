"""Definitions of every kind: the codec of each, and the one place that lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes, to_attributes
from baton.adapters.dynamodb.codecs.block import block_from_values, block_to_values
from baton.adapters.dynamodb.codecs.llm_instance import llm_instance_from_values, llm_instance_to_values
from baton.adapters.dynamodb.codecs.payload import payload_from_values, payload_to_values
from baton.adapters.dynamodb.codecs.workflow import workflow_from_values, workflow_to_values
from baton.domain.catalog.definitions import Definition, Target
from baton.domain.kinds import Kind

_TO_VALUES: Mapping[Kind, Callable[[Any], dict[str, Any]]] = {
    "BLOCK": block_to_values,
    "PAYLOAD": payload_to_values,
    "WORKFLOW": workflow_to_values,
    "LLM_INSTANCE": llm_instance_to_values,
}
_FROM_VALUES: Mapping[Kind, Callable[[Mapping[str, Any]], Definition]] = {
    "BLOCK": block_from_values,
    "PAYLOAD": payload_from_values,
    "WORKFLOW": workflow_from_values,
    "LLM_INSTANCE": llm_instance_from_values,
}


def definition_to_item(tenant: str, definition: Definition) -> Item:
    """The whole item, however large; ``refers_to`` is the set that a search for referrers reads."""
    key = keys.definition(tenant, definition.kind, definition.id)
    refers_to = {target_text(target) for target in definition.refers_to} or None
    return to_attributes({**key, **_TO_VALUES[definition.kind](definition), "refers_to": refers_to})


def definition_from_item[D: Definition](kind: type[D], item: Item) -> D:
    """The definition that an item contains."""
    return cast("D", _FROM_VALUES[kind.kind](from_attributes(item)))


def target_text(target: Target) -> str:
    """A reference as an element of a string set."""
    kind, definition_id = target
    return f"{kind}#{definition_id}"
