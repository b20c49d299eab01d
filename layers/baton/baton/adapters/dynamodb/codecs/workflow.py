"""Workflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes, to_attributes
from baton.domain.catalog.definitions import Workflow


def workflow_to_item(tenant: str, workflow: Workflow) -> Item:
    """The workflow under its key, with the set that a search for referrers reads."""
    return to_attributes(
        {
            **keys.definition(tenant, workflow.kind, workflow.id),
            "id": workflow.id,
            "version": workflow.version,
            "created_at": workflow.created_at,
            "updated_at": workflow.updated_at,
            "name": workflow.name,
            "payloads": workflow.payloads,
            "refers_to": keys.targets(workflow.refers_to),
        }
    )


def workflow_from_item(item: Mapping[str, Any]) -> Workflow:
    """The workflow that an item contains."""
    stored = from_attributes(item)
    return Workflow(
        id=stored["id"],
        version=stored["version"],
        created_at=stored["created_at"],
        updated_at=stored["updated_at"],
        name=stored["name"],
        payloads=stored["payloads"],
    )
