"""Payloads. Blocks are ids, and maps for inline blocks; settings are JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb.codecs.attributes import as_json, from_json
from baton.adapters.dynamodb.codecs.settings import settings_from_map, settings_to_map
from baton.domain.catalog.definitions import InlineBlock, Payload


def payload_to_values(payload: Payload) -> dict[str, Any]:
    """The attributes of a payload."""
    return {
        "id": payload.id,
        "version": payload.version,
        "created_at": payload.created_at,
        "updated_at": payload.updated_at,
        "name": payload.name,
        "blocks": [{"content": b.content} if isinstance(b, InlineBlock) else b for b in payload.blocks],
        "llm_instance": payload.llm_instance,
        "settings": as_json(settings_to_map(payload.settings)),
    }


def payload_from_values(values: Mapping[str, Any]) -> Payload:
    """The payload that an item contains."""
    return Payload(
        id=values["id"],
        version=values["version"],
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        name=values["name"],
        blocks=tuple(InlineBlock(content=b["content"]) if isinstance(b, dict) else b for b in values["blocks"]),
        llm_instance=values["llm_instance"],
        settings=settings_from_map(from_json(values.get("settings")) or {}),
    )
