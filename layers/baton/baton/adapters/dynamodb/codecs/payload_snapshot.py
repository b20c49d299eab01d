"""The item of one compiled payload of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, as_json, from_attributes, from_json, to_attributes
from baton.adapters.dynamodb.codecs.llm_instance import (
    limits_from_map,
    limits_to_map,
    price_from_map,
    price_to_map,
)
from baton.adapters.dynamodb.codecs.next_payload import next_payload_from_json, next_payload_to_json
from baton.adapters.dynamodb.codecs.settings import settings_from_map, settings_to_map
from baton.domain.llm.endpoints import LlmEndpoint, LlmTarget
from baton.domain.prompts import Reference
from baton.domain.runs.plan import predecessors
from baton.domain.runs.run import Run
from baton.domain.runs.snapshots import PayloadSnapshot


def snapshot_to_item(run: Run, snapshot: PayloadSnapshot, version: str | None = None) -> Item:
    """The snapshot under its run's key; a version that a resume has compiled has a key of its own."""
    return to_attributes(
        {
            **keys.snapshot(run.tenant, run.id, snapshot.position, version),
            "type": "PAYLOAD",
            "position": snapshot.position,
            "payload_id": snapshot.payload_id,
            "payload_name": snapshot.payload_name,
            "template": snapshot.template,
            "references": as_json([_reference_to_map(reference) for reference in snapshot.references]),
            "targets": as_json([_target_to_map(target) for target in snapshot.targets]),
            "after": snapshot.after,
            "following": next_payload_to_json(snapshot.following),
            "expires_at": run.expires_at,
        }
    )


def snapshot_from_item(item: Mapping[str, Any]) -> PayloadSnapshot:
    """The snapshot that an item contains."""
    stored = _in_the_current_form(from_attributes(item))
    return PayloadSnapshot(
        position=stored["position"],
        payload_id=stored["payload_id"],
        payload_name=stored["payload_name"],
        template=stored["template"],
        references=_references(from_json(stored["references"])),
        targets=tuple(_target_from_map(target) for target in from_json(stored["targets"])),
        after=stored["after"],
        following=next_payload_from_json(stored.get("following")),
    )


def _in_the_current_form(stored: dict[str, Any]) -> dict[str, Any]:
    """Items without ``targets`` are older: the parts of the own target are attributes of their own.

    They have the references of the own system text beside those of the template, and no ``after``.
    """
    if "targets" in stored:
        return stored
    references = [{"where": "prompt", **reference} for reference in from_json(stored["references"])]
    own = {
        "endpoint": from_json(stored["endpoint"]),
        "settings": from_json(stored["settings"]),
        "references": [reference for reference in references if reference["where"] == "system"],
    }
    return {
        **stored,
        "references": as_json([reference for reference in references if reference["where"] == "prompt"]),
        "targets": as_json([own, *(from_json(stored.get("fallbacks")) or [])]),
        "after": predecessors(stored["position"]),
    }


def _target_to_map(target: LlmTarget) -> dict[str, Any]:
    return {
        "endpoint": _endpoint_to_map(target.endpoint),
        "settings": settings_to_map(target.settings),
        "references": [_reference_to_map(reference) for reference in target.references],
    }


def _target_from_map(stored: Mapping[str, Any]) -> LlmTarget:
    return LlmTarget(
        endpoint=_endpoint(stored["endpoint"]),
        settings=settings_from_map(stored["settings"]),
        references=_references(stored.get("references", ())),
    )


def _endpoint_to_map(endpoint: LlmEndpoint) -> dict[str, Any]:
    return {
        "instance_id": endpoint.instance_id,
        "instance_name": endpoint.instance_name,
        "provider": endpoint.provider,
        "base_url": endpoint.base_url,
        "model": endpoint.model,
        "timeout_seconds": endpoint.timeout_seconds,
        "has_api_key": endpoint.has_api_key,
        "api_key_header": endpoint.api_key_header,
        "limits": limits_to_map(endpoint.limits),
        "price": price_to_map(endpoint.price),
    }


def _endpoint(stored: Mapping[str, Any]) -> LlmEndpoint:
    return LlmEndpoint(
        instance_id=stored["instance_id"],
        instance_name=stored["instance_name"],
        provider=stored["provider"],
        base_url=stored["base_url"],
        model=stored["model"],
        timeout_seconds=stored["timeout_seconds"],
        has_api_key=stored.get("has_api_key", False),
        api_key_header=stored.get("api_key_header"),
        limits=limits_from_map(stored.get("limits")),
        price=price_from_map(stored.get("price")),
    )


def _reference_to_map(reference: Reference) -> dict[str, Any]:
    return {
        "name": reference.name,
        "source": reference.source,
        "position": reference.position,
        "path": list(reference.path),
        "variable": reference.variable,
        "where": reference.where,
    }


def _references(stored: Iterable[Mapping[str, Any]]) -> tuple[Reference, ...]:
    return tuple(
        Reference(
            name=reference["name"],
            source=reference["source"],
            position=reference.get("position"),
            path=tuple(reference.get("path", ())),
            variable=reference.get("variable"),
            where=reference.get("where", "prompt"),
        )
        for reference in stored
    )
