"""Frames: what WebSocket clients send, and the responses that are not about a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from baton.domain.errors import Invalid
from baton.domain.ids import MAX_ID, PLAIN_ID

Action = Literal["subscribe", "unsubscribe", "ping"]

PONG = b'{"type":"pong"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a client; all actions except ``ping`` have a ``run_id``."""

    action: Action
    run_id: int = 0


def parse_frame(text: str) -> Frame:
    """Parse a client's frame.

    :raises Invalid: if it is none of ``{"action": "subscribe" | "unsubscribe", "runId": 1}``, ``{"action": "ping"}``.
    """
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("body", "is not valid JSON.") from error
    match parsed:
        case {"action": "ping"}:
            return Frame(action="ping")
        case {"action": "subscribe" | "unsubscribe" as action}:
            return Frame(action=action, run_id=_run_id(parsed.get("runId")))
        case _:
            raise Invalid("action", "must be subscribe, unsubscribe or ping.")


def parse_run_id(text: str) -> int:
    """Parse the query parameter ``?runId=1`` of a new connection.

    :raises Invalid: if it is not a run id.
    """
    return _run_id(int(text) if PLAIN_ID.fullmatch(text) else None)


def error_frame(message_id: str, timestamp: str, detail: str) -> bytes:
    """The response to an invalid frame."""
    envelope = {"type": "error", "id": message_id, "timestamp": timestamp, "data": {"message": detail}}
    return json.dumps(envelope, ensure_ascii=False).encode(errors="replace")


def _run_id(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ID:
        return value
    raise Invalid("runId", "must be the id of a run, a whole number of at least 1.")
