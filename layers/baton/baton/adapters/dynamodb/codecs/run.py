"""The items of a run: its own, with the attributes of its indexes, those of its ended attempts, and its variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from types import MappingProxyType
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, as_json, from_attributes, from_json, to_attributes
from baton.domain.llm.tokens import TokenUsage
from baton.domain.runs.run import Run, SnapshotVersion, Variables

USAGE_ATTRIBUTES = tuple(field.name for field in fields(TokenUsage))
ATTRIBUTES = (*(field.name for field in fields(Run) if field.name != "usage"), *USAGE_ATTRIBUTES)
"""Those that :func:`run_from_item` reads; they are named as the fields of the run, and as those of its usage."""


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
            "started_with_response": run.started_with_response,
            **({} if run.usage is None else asdict(run.usage)),
            "error": run.error,
            "tries": run.tries,
            "waited_seconds": run.waited_seconds,
            "correlation_id": run.correlation_id,
            "attempt_started_at": run.attempt_started_at,
            "started_by": run.started_by,
            "cancelled_by": run.cancelled_by,
            "rerun_of": run.rerun_of,
            "definition_attempt": run.definition_attempt if run.definition_attempt > 1 else None,
            "snapshot_versions": _versions_to_json(run.snapshot_versions),
        }
    )


def attempt_to_item(run: Run) -> Item:
    """The run at the end of an attempt, under the attempt's key. No index contains it."""
    item = run_to_item(run)
    fields_of_run = {name: item[name] for name in ATTRIBUTES if name in item}
    return fields_of_run | to_attributes({**keys.attempt(run.tenant, run.id, run.attempt), "type": "ATTEMPT"})


def run_from_item(item: Mapping[str, Any], snapshot: Mapping[str, Any] = MappingProxyType({})) -> Run:
    """The run that an item contains.

    Older items lack the usage, the correlation id, the caller, and ``on_missing``, which was stored with each snapshot;
    ``snapshot`` is the item of any of them.
    """
    on_missing = {name: value for name, value in snapshot.items() if name == "on_missing"}
    stored = from_attributes(on_missing | {name: item[name] for name in ATTRIBUTES if name in item})
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
        completed=stored["completed"],
        position=stored["position"],
        attempt=stored["attempt"],
        first_position=stored["first_position"],
        on_missing=stored.get("on_missing", "keep"),
        started_at=stored.get("started_at"),
        completed_at=stored.get("completed_at"),
        payload_id=stored.get("payload_id"),
        payload_name=stored.get("payload_name"),
        payload_started_at=stored.get("payload_started_at"),
        started_with_response=stored.get("started_with_response", False),
        usage=_usage(stored),
        error=stored.get("error"),
        tries=stored.get("tries"),
        waited_seconds=stored.get("waited_seconds"),
        correlation_id=stored.get("correlation_id"),
        attempt_started_at=stored.get("attempt_started_at"),
        started_by=stored.get("started_by"),
        cancelled_by=stored.get("cancelled_by"),
        rerun_of=stored.get("rerun_of"),
        definition_attempt=stored.get("definition_attempt", 1),
        snapshot_versions=_versions_from_json(stored.get("snapshot_versions")),
    )


def _versions_to_json(versions: Iterable[SnapshotVersion]) -> str | None:
    return as_json([asdict(each) for each in versions] or None)


def _versions_from_json(text: str | None) -> tuple[SnapshotVersion, ...]:
    return tuple(SnapshotVersion(**each) for each in from_json(text) or ())


def _usage(stored: Mapping[str, Any]) -> TokenUsage | None:
    counts = {name: stored[name] for name in USAGE_ATTRIBUTES if name in stored}
    return TokenUsage(**counts) if counts else None


def variables_to_item(run: Run, variables: Variables) -> Item:
    """The variables under the run's key."""
    key = keys.variables(run.tenant, run.id)
    return to_attributes({**key, "variables": as_json(dict(variables)), "expires_at": run.expires_at})


def variables_from_item(item: Mapping[str, Any] | None) -> Variables:
    """The variables; none if there is no item."""
    return dict(from_json(from_attributes(item)["variables"])) if item else {}
