"""Blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.catalog.definitions import Block


def block_to_values(block: Block) -> dict[str, Any]:
    """The attributes of a block."""
    return {
        "id": block.id,
        "version": block.version,
        "created_at": block.created_at,
        "updated_at": block.updated_at,
        "title": block.title,
        "content": block.content,
        "tags": block.tags,
        "folder_path": block.folder_path,
    }


def block_from_values(values: Mapping[str, Any]) -> Block:
    """The block that an item contains."""
    return Block(
        id=values["id"],
        version=values["version"],
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        title=values["title"],
        content=values["content"],
        tags=values.get("tags", ()),
        folder_path=values.get("folder_path", "/"),
    )
