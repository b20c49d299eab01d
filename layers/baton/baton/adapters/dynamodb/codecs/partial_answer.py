"""The item of the latest part of an answer that is being streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, as_json, from_attributes, from_json, to_attributes
from baton.domain.runs.responses import PartialAnswer


def partial_answer_to_item(part: PartialAnswer) -> Item:
    """The part under its run's key: each one replaces the one before it."""
    return to_attributes(
        {
            **keys.part(part.tenant, part.run_id),
            "type": "PART",
            "tenant": part.tenant,
            "run_id": part.run_id,
            "workflow_id": part.workflow_id,
            "payload_id": part.payload_id,
            "payload_name": part.payload_name,
            "position": part.position,
            "total": part.total,
            "attempt": part.attempt,
            "delta": part.delta,
            "offset": part.offset,
            "tokens_per_second": as_json(part.tokens_per_second),
            "published_at": part.published_at,
            "expires_at": part.expires_at,
            "correlation_id": part.correlation_id,
        }
    )


def partial_answer_from_item(item: Mapping[str, Any]) -> PartialAnswer:
    """The part that an item contains. Items of an older version have ``told_at`` instead of ``published_at``."""
    stored = from_attributes(item)
    return PartialAnswer(
        tenant=stored["tenant"],
        run_id=stored["run_id"],
        workflow_id=stored["workflow_id"],
        payload_id=stored["payload_id"],
        payload_name=stored["payload_name"],
        position=stored["position"],
        total=stored["total"],
        attempt=stored["attempt"],
        delta=stored["delta"],
        offset=stored["offset"],
        tokens_per_second=from_json(stored.get("tokens_per_second")),
        published_at=stored.get("published_at") or stored["told_at"],
        expires_at=stored["expires_at"],
        correlation_id=stored.get("correlation_id"),
    )
