"""A WebSocket connection and its subscriptions as items of the Connections table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, from_attributes, to_attributes


def connection_to_item(tenant: str, connection_id: str, run_id: int | None, now: int, expires_at: int) -> Item:
    """A new connection, with the run that it follows, if it is only one; a set can't be empty."""
    return to_attributes(
        {
            **keys.connection(tenant, connection_id),
            "connected_at": now,
            "runs": None if run_id is None else {str(run_id)},
            "expires_at": expires_at,
        }
    )


def subscription_to_item(tenant: str, connection_id: str, run_id: int | None, expires_at: int) -> Item:
    """A subscription to one run or, without ``run_id``, to all."""
    return to_attributes({**keys.subscription(tenant, connection_id, run_id), "expires_at": expires_at})


def run_ids_from_item(item: Mapping[str, Any]) -> tuple[int, ...]:
    """The runs that a connection follows."""
    return tuple(int(run_id) for run_id in from_attributes(item).get("runs", ()))


def connected_at_from_item(item: Mapping[str, Any]) -> int:
    """When the connection was stored, in epoch seconds; 0 if only its subscriptions were."""
    connected_at: int = from_attributes(item).get("connected_at", 0)
    return connected_at


def connection_id_from_item(item: Mapping[str, Any]) -> str:
    """The subscriber of a subscription."""
    connection_id: str = item["sk"]["S"]
    return connection_id
