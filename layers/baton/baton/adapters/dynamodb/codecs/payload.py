"""Payloads. Blocks are ids, and maps for inline blocks; settings are JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, as_json, from_attributes, from_json, to_attributes
from baton.adapters.dynamodb.codecs.settings import settings_from_map, settings_to_map
from baton.domain.catalog.definitions import InlineBlock, Payload

ADDED_SINCE: Mapping[str, Any] = {"settings": "{}"}
"""What older items lack."""


def payload_to_item(tenant: str, payload: Payload) -> Item:
    """The payload under its key, with the set that a search for referrers reads."""
    return to_attributes(
        {
            **keys.definition(tenant, payload.kind, payload.id),
            "id": payload.id,
            "version": payload.version,
            "created_at": payload.created_at,
            "updated_at": payload.updated_at,
            "name": payload.name,
            "blocks": [{"content": b.content} if isinstance(b, InlineBlock) else b for b in payload.blocks],
            "llm_instance": payload.llm_instance,
            "settings": as_json(settings_to_map(payload.settings)),
            "refers_to": keys.targets(payload.refers_to),
        }
    )


def payload_from_item(item: Mapping[str, Any]) -> Payload:
    """The payload that an item contains."""
    stored = {**ADDED_SINCE, **from_attributes(item)}
    return Payload(
        id=stored["id"],
        version=stored["version"],
        created_at=stored["created_at"],
        updated_at=stored["updated_at"],
        name=stored["name"],
        blocks=tuple(InlineBlock(content=b["content"]) if isinstance(b, dict) else b for b in stored["blocks"]),
        llm_instance=stored["llm_instance"],
        settings=settings_from_map(from_json(stored["settings"])),
    )
