"""The state of an instance's limits as an item.

Items live for two days. One in the form before ``slots`` is read as the first state, under its own version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb.codecs.attributes import Item, as_json, from_attributes, from_json, to_attributes
from baton.adapters.dynamodb.keys import Key
from baton.domain.llm.limits import ConcurrencySlot, LimitState


def limit_state_to_item(state: LimitState, key: Key, expires_at: int) -> Item:
    """The state under its key, until ``expires_at`` (epoch seconds)."""
    return to_attributes(
        {
            **key,
            "version": state.version,
            "requests_full_ms": state.requests_full_ms,
            "tokens_full_ms": state.tokens_full_ms,
            "blocked_until_ms": state.blocked_until_ms,
            "last_call_ms": state.last_call_ms,
            "slots": as_json([{"id": slot.id, "expires_ms": slot.expires_ms} for slot in state.slots]),
            "expires_at": expires_at,
        }
    )


def limit_state_from_item(item: Mapping[str, Any]) -> LimitState:
    """The state that an item holds."""
    stored = from_attributes(item)
    if "slots" not in stored:
        return LimitState(version=stored["version"])
    return LimitState(
        version=stored["version"],
        requests_full_ms=stored["requests_full_ms"],
        tokens_full_ms=stored["tokens_full_ms"],
        blocked_until_ms=stored["blocked_until_ms"],
        last_call_ms=stored["last_call_ms"],
        slots=tuple(
            ConcurrencySlot(id=slot["id"], expires_ms=slot["expires_ms"]) for slot in from_json(stored["slots"])
        ),
    )
