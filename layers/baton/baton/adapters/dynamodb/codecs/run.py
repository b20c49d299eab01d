"""The item of a run, with the attributes of its indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes, to_attributes
from baton.domain.runs.run import Run

ATTRIBUTES = [
    "tenant",
    "id",
    "workflow_id",
    "workflow_name",
    "status",
    "total",
    "first_response_id",
    "created_at",
    "expires_at",
    "completed",
    "position",
    "attempt",
    "first_position",
    "on_missing",
    "started_at",
    "completed_at",
    "payload_id",
    "payload_name",
    "payload_started_at",
    "error",
    "tries",
    "waited_seconds",
]
"""Those that :func:`run_from_item` reads."""


def run_to_item(run: Run) -> Item:
    """The run under its key; what is not known yet is left out."""
    return to_attributes(
        {
            **keys.run(run.tenant, run.id),
            "type": "RUN",
            "tenant_runs": f"{run.tenant}#RUN",
            "tenant_workflow": f"{run.tenant}#{run.workflow_id}",
            "tenant_status": f"{run.tenant}#{run.status}",
            "tenant": run.tenant,
            "id": run.id,
            "workflow_id": run.workflow_id,
            "workflow_name": run.workflow_name,
            "status": run.status,
            "total": run.total,
            "first_response_id": run.first_response_id,
            "created_at": run.created_at,
            "expires_at": run.expires_at,
            "completed": run.completed,
            "position": run.position,
            "attempt": run.attempt,
            "first_position": run.first_position,
            "on_missing": run.on_missing,
            "started_at": run.started_at,
            "completed_at": run.completed_at,
            "payload_id": run.payload_id,
            "payload_name": run.payload_name,
            "payload_started_at": run.payload_started_at,
            "error": run.error,
            "tries": run.tries,
            "waited_seconds": run.waited_seconds,
        }
    )


def run_from_item(item: Mapping[str, Any]) -> Run:
    """The run that an item contains. Attributes that were added later have defaults."""
    stored = from_attributes({name: item[name] for name in ATTRIBUTES if name in item})
    return Run(
        tenant=stored["tenant"],
        id=stored["id"],
        workflow_id=stored["workflow_id"],
        workflow_name=stored["workflow_name"],
        status=stored["status"],
        total=stored["total"],
        first_response_id=stored["first_response_id"],
        created_at=stored["created_at"],
        expires_at=stored["expires_at"],
        completed=stored.get("completed", 0),
        position=stored.get("position", 0),
        attempt=stored.get("attempt", 1),
        first_position=stored.get("first_position", 0),
        on_missing=stored.get("on_missing", "keep"),
        started_at=stored.get("started_at"),
        completed_at=stored.get("completed_at"),
        payload_id=stored.get("payload_id"),
        payload_name=stored.get("payload_name"),
        payload_started_at=stored.get("payload_started_at"),
        error=stored.get("error"),
        tries=stored.get("tries"),
        waited_seconds=stored.get("waited_seconds"),
    )
