"""Workflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.catalog.definitions import Workflow


def workflow_to_values(workflow: Workflow) -> dict[str, Any]:
    """The attributes of a workflow."""
    return {
        "id": workflow.id,
        "version": workflow.version,
        "created_at": workflow.created_at,
        "updated_at": workflow.updated_at,
        "name": workflow.name,
        "payloads": workflow.payloads,
    }


def workflow_from_values(values: Mapping[str, Any]) -> Workflow:
    """The workflow that an item contains."""
    return Workflow(
        id=values["id"],
        version=values["version"],
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        name=values["name"],
        payloads=values["payloads"],
    )
