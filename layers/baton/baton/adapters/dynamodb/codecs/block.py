"""Blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes, to_attributes
from baton.domain.catalog.definitions import Block

ADDED_SINCE: Mapping[str, Any] = {"tags": (), "folder_path": "/"}
"""What older items lack."""


def block_to_item(tenant: str, block: Block) -> Item:
    """The block under its key."""
    return to_attributes(
        {
            **keys.definition(tenant, block.kind, block.id),
            "id": block.id,
            "version": block.version,
            "created_at": block.created_at,
            "updated_at": block.updated_at,
            "title": block.title,
            "content": block.content,
            "tags": block.tags,
            "folder_path": block.folder_path,
        }
    )


def block_from_item(item: Mapping[str, Any]) -> Block:
    """The block that an item contains."""
    stored = {**ADDED_SINCE, **from_attributes(item)}
    return Block(
        id=stored["id"],
        version=stored["version"],
        created_at=stored["created_at"],
        updated_at=stored["updated_at"],
        title=stored["title"],
        content=stored["content"],
        tags=stored["tags"],
        folder_path=stored["folder_path"],
    )
