"""The Connections table: WebSocket connections and their subscriptions."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import (
    condition_failing_as,
    expression_names,
    query,
    query_page,
    values,
    write_many,
)
from baton.adapters.dynamodb.codecs.attributes import Item, to_attributes
from baton.adapters.dynamodb.codecs.connection import (
    connected_at_from_item,
    connection_id_from_item,
    connection_to_item,
    run_ids_from_item,
    subscription_to_item,
)
from baton.domain.errors import ConnectionGone, Invalid

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from baton.domain.times import Lease

MAX_RUNS_FOLLOWED = 100

MAY_FOLLOW_RUN = "attribute_not_exists(#runs) OR size(#runs) < :max_runs OR contains(#runs, :run)"
"""A client may send several subscribe frames at once; the set must not grow beyond its bound."""

HISTORY_IS_DUE = "attribute_not_exists(#history_until) OR #history_until < :taken_at"
"""Two frames may subscribe to the same run at once; one of them sends its history. After a crash, the lease expires."""

LEASE_IS_HELD = "attribute_exists(pk) AND #history_until = :ends_at"
"""A client may unsubscribe while its history is being sent; the subscription must not be written again."""


class DynamoConnections:
    """One item per subscription, found by run, and one per connection, which lists its runs for the disconnect."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def connect(self, tenant: str, connection_id: str, run_id: int | None, now: int, expires_at: int) -> None:
        """Store a new connection that follows all runs, or only ``run_id``; times are in epoch seconds."""
        connection = connection_to_item(tenant, connection_id, run_id, now, expires_at)
        subscription = subscription_to_item(tenant, connection_id, run_id, expires_at)
        write_many(self._client, self._table, puts=[connection, subscription])

    def subscribe(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        """Follow this run, and no longer all runs; ``True`` if the caller must send its history.

        :raises Invalid: if the connection already follows the maximum number of runs.
        """
        too_many = Invalid("runId", f"this connection follows {MAX_RUNS_FOLLOWED} runs already; unsubscribe from one.")
        with condition_failing_as(too_many):
            self._client.update_item(
                TableName=self._table,
                Key=to_attributes(keys.connection(tenant, connection_id)),
                UpdateExpression="SET #expires_at = :expires_at ADD #runs :runs",
                ConditionExpression=MAY_FOLLOW_RUN,
                ExpressionAttributeNames=expression_names("runs", "expires_at"),
                ExpressionAttributeValues=values(
                    runs={str(run_id)}, run=str(run_id), max_runs=MAX_RUNS_FOLLOWED, expires_at=expires_at
                ),
            )
        must_send_history = self._acquire_lease(tenant, connection_id, run_id, lease, expires_at)
        self._delete_subscription(tenant, connection_id, None)
        return must_send_history

    def _acquire_lease(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        """Write the subscription; ``False`` if another caller holds the lease or the history was sent."""
        return self._update_subscription(
            (tenant, connection_id, run_id),
            UpdateExpression="SET #expires_at = :expires_at, #history_until = :ends_at",
            ConditionExpression=HISTORY_IS_DUE,
            ExpressionAttributeNames=expression_names("expires_at", "history_until"),
            ExpressionAttributeValues=values(expires_at=expires_at, taken_at=lease.taken_at, ends_at=lease.ends_at),
        )

    def end_lease(
        self, tenant: str, connection_id: str, run_id: int, lease: Lease, not_again_before: int | None
    ) -> None:
        """The history was sent and is not due again before this time (epoch seconds); ``None``: it was not sent."""
        until = lease.taken_at - 1 if not_again_before is None else not_again_before
        self._update_subscription(
            (tenant, connection_id, run_id),
            UpdateExpression="SET #history_until = :until",
            ConditionExpression=LEASE_IS_HELD,
            ExpressionAttributeNames=expression_names("history_until"),
            ExpressionAttributeValues=values(ends_at=lease.ends_at, until=until),
        )

    def _update_subscription(self, subscription: tuple[str, str, int], **update: Any) -> bool:
        """Whether the condition was true."""
        tenant, connection_id, run_id = subscription
        key = to_attributes(keys.subscription(tenant, connection_id, run_id))
        try:
            with condition_failing_as(ConnectionGone(connection_id)):
                self._client.update_item(TableName=self._table, Key=key, **update)
        except ConnectionGone:
            return False
        return True

    def unsubscribe(self, tenant: str, connection_id: str, run_id: int) -> None:
        """Unsubscribe from this run; a run that was not followed is not an error."""
        self._delete_subscription(tenant, connection_id, run_id)
        still_connected = "attribute_exists(pk)"  # a client may disconnect meanwhile
        with suppress(ConnectionGone), condition_failing_as(ConnectionGone(connection_id)):
            self._client.update_item(
                TableName=self._table,
                Key=to_attributes(keys.connection(tenant, connection_id)),
                UpdateExpression="DELETE #runs :runs",
                ConditionExpression=still_connected,
                ExpressionAttributeNames=expression_names("runs"),
                ExpressionAttributeValues=values(runs={str(run_id)}),
            )

    def disconnect(self, tenant: str, connection_id: str) -> None:
        """Delete the connection and its subscriptions."""
        run_ids = run_ids_from_item(self._connection(tenant, connection_id))
        subscriptions = [keys.subscription(tenant, connection_id, run_id) for run_id in (None, *run_ids)]
        write_many(self._client, self._table, deletes=[*subscriptions, keys.connection(tenant, connection_id)])

    def disconnect_if_connected_before(self, tenant: str, connection_id: str, connected_before: int) -> None:
        """Disconnect, unless the connection was stored at or after this time (epoch seconds)."""
        if connected_at_from_item(self._connection(tenant, connection_id)) < connected_before:
            self.disconnect(tenant, connection_id)

    def followers(self, tenant: str, run_id: int | None) -> frozenset[str]:
        """The connection ids of the clients that follow this run by its id; ``None``: of those that follow all runs."""
        items = query(self._client, **self._query_of(keys.topic(tenant, run_id)), ConsistentRead=True)
        return frozenset(connection_id_from_item(item) for item in items)

    def has_subscribers(self, tenant: str, run_id: int) -> bool:
        """Whether a client follows this run or all runs; eventually consistent."""
        topics = (keys.topic(tenant, run_id), keys.topic(tenant, None))
        return any(query_page(self._client, None, **self._query_of(topic), Limit=1)[0] for topic in topics)

    def _connection(self, tenant: str, connection_id: str) -> Item:
        key = to_attributes(keys.connection(tenant, connection_id))
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})

    def _delete_subscription(self, tenant: str, connection_id: str, run_id: int | None) -> None:
        key = to_attributes(keys.subscription(tenant, connection_id, run_id))
        self._client.delete_item(TableName=self._table, Key=key)

    def _query_of(self, topic: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": values(pk=topic),
        }
