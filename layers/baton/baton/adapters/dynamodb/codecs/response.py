"""The item of a response. A long text is cut there; its attribute ``…_key`` is the S3 key of the whole text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, as_json, from_attributes, from_json, to_attributes
from baton.adapters.dynamodb.codecs.next_payload import next_payload_from_json, next_payload_to_json
from baton.domain.runs.responses import Response

PROMPT_ATTRIBUTES = ("prompt", "prompt_truncated", "prompt_key", "prompt_bytes")
ATTRIBUTES = tuple(field.name for field in fields(Response) if field.name not in PROMPT_ATTRIBUTES)
"""Those that :func:`response_from_item` reads, named as the fields; a response can be read without its prompt."""


def response_to_item(response: Response) -> Item:
    """The response under its key."""
    return to_attributes(
        {
            **keys.response(response.tenant, response.run_id, response.position),
            "type": "RESPONSE",
            "tenant": response.tenant,
            "id": response.id,
            "run_id": response.run_id,
            "workflow_id": response.workflow_id,
            "payload_id": response.payload_id,
            "payload_name": response.payload_name,
            "position": response.position,
            "total": response.total,
            "attempt": response.attempt,
            "content": response.content,
            "started_at": response.started_at,
            "created_at": response.created_at,
            "expires_at": response.expires_at,
            "prompt": response.prompt,
            "metadata": as_json(dict(response.metadata)),
            "following": next_payload_to_json(response.following),
            "published_characters": response.published_characters,
            "content_truncated": response.content_truncated,
            "content_key": response.content_key,
            "content_bytes": response.content_bytes,
            "prompt_truncated": response.prompt_truncated,
            "prompt_key": response.prompt_key,
            "prompt_bytes": response.prompt_bytes,
        }
    )


def response_from_item(item: Mapping[str, Any]) -> Response:
    """The response that an item contains.

    Older items lack ``content_bytes`` and ``prompt_bytes``, and ``following`` and ``published_characters``.
    """
    stored = from_attributes({name: item[name] for name in (*ATTRIBUTES, *PROMPT_ATTRIBUTES) if name in item})
    return Response(
        tenant=stored["tenant"],
        id=stored["id"],
        run_id=stored["run_id"],
        workflow_id=stored["workflow_id"],
        payload_id=stored["payload_id"],
        payload_name=stored["payload_name"],
        position=stored["position"],
        total=stored["total"],
        attempt=stored["attempt"],
        content=stored["content"],
        started_at=stored["started_at"],
        created_at=stored["created_at"],
        expires_at=stored["expires_at"],
        prompt=stored.get("prompt"),
        metadata=from_json(stored["metadata"]),
        following=next_payload_from_json(stored.get("following")),
        published_characters=stored.get("published_characters"),
        content_truncated=stored["content_truncated"],
        content_key=stored.get("content_key"),
        content_bytes=stored.get("content_bytes"),
        prompt_truncated=stored.get("prompt_truncated", False),
        prompt_key=stored.get("prompt_key"),
        prompt_bytes=stored.get("prompt_bytes"),
    )
