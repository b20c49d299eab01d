"""The state of an instance's limits as an item. It is written twice per call, so it is as small as possible.

Items live for two days. An item of an earlier version lists the calls by their ids (``slots``). It is read as its
buckets only, so the count of calls starts again at zero, one time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes, to_attributes
from baton.adapters.dynamodb.keys import Key
from baton.domain.llm.limits import LimitState
from baton.domain.llm.slots import Leases, SlotQueue


def limit_state_to_item(state: LimitState, key: Key, expires_at: int) -> Item:
    """The state under its key, until ``expires_at`` (epoch seconds)."""
    return to_attributes(
        {
            **key,
            "version": state.version,
            "requests_full_ms": state.requests_full_ms,
            "tokens_full_ms": state.tokens_full_ms,
            "blocked_until_ms": state.blocked_until_ms,
            "running": _leases_to_map(state.slots.running),
            "waiting": _leases_to_map(state.slots.waiting),
            "turns_given": state.slots.turns_given,
            "turns_passed": state.slots.turns_passed,
            "mean_call_ms": state.slots.mean_call_ms,
            "all_used_ms": state.slots.all_used_ms,
            "expires_at": expires_at,
        }
    )


def limit_state_from_item(item: Mapping[str, Any]) -> LimitState:
    """The state that an item holds."""
    stored = from_attributes(item)
    return LimitState(
        version=stored["version"],
        requests_full_ms=stored.get("requests_full_ms", 0),
        tokens_full_ms=stored.get("tokens_full_ms", 0),
        blocked_until_ms=stored.get("blocked_until_ms", 0),
        slots=_slots(stored) if "running" in stored else SlotQueue(),
    )


def _slots(stored: Mapping[str, Any]) -> SlotQueue:
    return SlotQueue(
        running=_leases(stored["running"]),
        waiting=_leases(stored["waiting"]),
        turns_given=stored["turns_given"],
        turns_passed=stored["turns_passed"],
        mean_call_ms=stored["mean_call_ms"],
        all_used_ms=stored["all_used_ms"],
    )


def _leases_to_map(leases: Leases) -> Mapping[str, int]:
    return {str(minute): calls for minute, calls in leases.items()}


def _leases(stored: Mapping[str, Any]) -> Leases:
    return {int(minute): int(calls) for minute, calls in stored.items()}
