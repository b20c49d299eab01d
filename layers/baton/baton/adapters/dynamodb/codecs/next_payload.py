"""The attribute of snapshots and responses that names the payload after them."""

from __future__ import annotations

from dataclasses import asdict

from baton.adapters.dynamodb.codecs.attributes import as_json, from_json
from baton.domain.runs.responses import NextPayload


def next_payload_to_json(payload: NextPayload | None) -> str | None:
    """The text that is stored; ``None`` after the last payload."""
    return None if payload is None else as_json(asdict(payload))


def next_payload_from_json(text: str | None) -> NextPayload | None:
    """The payload that the text names."""
    return None if text is None else NextPayload(**from_json(text))
