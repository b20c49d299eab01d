"""The Connections table: who listens to what."""

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
from baton.adapters.dynamodb.codecs.attributes import from_attributes, to_attributes
from baton.domain.errors import ConnectionGone, Invalid

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from baton.domain.times import Lease

MAX_RUNS_FOLLOWED = 100

MAY_FOLLOW_MORE = "attribute_not_exists(#runs) OR size(#runs) < :most OR contains(#runs, :run)"
"""A client may subscribe from several frames at once; the set grows to its bound and no further."""

HISTORY_IS_DUE = "attribute_not_exists(#history_until) OR #history_until < :taken_at"
"""Two frames may subscribe to the same run at once; one of them sends its history. A function that crashed on it leaves
a time that passes."""

LEASE_IS_HELD = "attribute_exists(pk) AND #history_until = :ends_at"
"""A client may unsubscribe while its history is being sent; nothing of the subscription is to come back."""


class DynamoConnections:
    """An item for each run that a client follows, found by run; and one a client, to find them all when it leaves."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def connect(self, tenant: str, connection_id: str, run_id: int | None, now: int, expires_at: int) -> None:
        """Remember a new connection, which hears all runs, or the one that is named; times are in epoch seconds."""
        runs = {"connected_at": now} | ({} if run_id is None else {"runs": {str(run_id)}})
        me = keys.connection(tenant, connection_id)
        topic = {"pk": keys.topic(tenant, run_id), "sk": connection_id}
        write_many(
            self._client,
            self._table,
            puts=[to_attributes({**key, **more, "expires_at": expires_at}) for key, more in ((me, runs), (topic, {}))],
        )

    def subscribe(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        """From now on this run, and no longer all; whether its history is due, and the caller's to send.

        :raises Invalid: if the connection follows as many runs as it may.
        """
        too_many = Invalid("runId", f"this connection follows {MAX_RUNS_FOLLOWED} runs already; unsubscribe from one.")
        with condition_failing_as(too_many):
            self._client.update_item(
                TableName=self._table,
                Key=to_attributes(keys.connection(tenant, connection_id)),
                UpdateExpression="SET #expires_at = :expires_at ADD #runs :runs",
                ConditionExpression=MAY_FOLLOW_MORE,
                ExpressionAttributeNames=expression_names("runs", "expires_at"),
                ExpressionAttributeValues=values(
                    runs={str(run_id)}, run=str(run_id), most=MAX_RUNS_FOLLOWED, expires_at=expires_at
                ),
            )
        is_due = self._take_lease(tenant, connection_id, run_id, lease, expires_at)
        self._client.delete_item(
            TableName=self._table, Key=to_attributes({"pk": keys.topic(tenant, None), "sk": connection_id})
        )
        return is_due

    def _take_lease(self, tenant: str, connection_id: str, run_id: int, lease: Lease, expires_at: int) -> bool:
        """Write the subscription, which is there already where the lease can't be had."""
        return self._update_topic(
            (tenant, connection_id, run_id),
            UpdateExpression="SET #expires_at = :expires_at, #history_until = :ends_at",
            ConditionExpression=HISTORY_IS_DUE,
            ExpressionAttributeNames=expression_names("expires_at", "history_until"),
            ExpressionAttributeValues=values(expires_at=expires_at, taken_at=lease.taken_at, ends_at=lease.ends_at),
        )

    def end_lease(
        self, tenant: str, connection_id: str, run_id: int, lease: Lease, not_again_before: int | None
    ) -> None:
        """The history was sent, and is not due again before this moment (epoch seconds); ``None``: it was not sent."""
        until = lease.taken_at - 1 if not_again_before is None else not_again_before
        self._update_topic(
            (tenant, connection_id, run_id),
            UpdateExpression="SET #history_until = :until",
            ConditionExpression=LEASE_IS_HELD,
            ExpressionAttributeNames=expression_names("history_until"),
            ExpressionAttributeValues=values(ends_at=lease.ends_at, until=until),
        )

    def _update_topic(self, subscription: tuple[str, str, int], **update: Any) -> bool:
        """Whether the condition held."""
        tenant, connection_id, run_id = subscription
        key = to_attributes({"pk": keys.topic(tenant, run_id), "sk": connection_id})
        try:
            with condition_failing_as(ConnectionGone(connection_id)):
                self._client.update_item(TableName=self._table, Key=key, **update)
        except ConnectionGone:
            return False
        return True

    def unsubscribe(self, tenant: str, connection_id: str, run_id: int) -> None:
        """No longer this run; a run that wasn't followed is no error."""
        self._client.delete_item(
            TableName=self._table, Key=to_attributes({"pk": keys.topic(tenant, run_id), "sk": connection_id})
        )
        still_connected = "attribute_exists(pk)"  # a client may leave meanwhile; nothing of it is to stay behind
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
        """Forget the connection and all it followed."""
        me = keys.connection(tenant, connection_id)
        found = self._client.get_item(TableName=self._table, Key=to_attributes(me), ConsistentRead=True).get("Item", {})
        topics = [
            keys.topic(tenant, None),
            *(keys.topic(tenant, int(run)) for run in from_attributes(found).get("runs", ())),
        ]
        followed: list[keys.Key] = [{"pk": topic, "sk": connection_id} for topic in topics]
        write_many(self._client, self._table, deletes=[*followed, me])

    def disconnect_if_connected_before(self, tenant: str, connection_id: str, connected_before: int) -> None:
        """Forget a connection that is gone, unless it was only just made, after this moment (epoch seconds)."""
        key = to_attributes(keys.connection(tenant, connection_id))
        found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        if from_attributes(found).get("connected_at", 0) < connected_before:
            self.disconnect(tenant, connection_id)

    def subscribers(self, tenant: str, run_id: int) -> frozenset[str]:
        """Connection ids that hear of this run, each once.

        Those who hear all runs are read first: who narrows down meanwhile is then found among the run's own.
        """
        return frozenset(
            item["sk"]["S"]
            for topic in (keys.topic(tenant, None), keys.topic(tenant, run_id))
            for item in query(self._client, **self._of_topic(topic), ConsistentRead=True)
        )

    def has_subscribers(self, tenant: str, run_id: int) -> bool:
        """Whether anybody hears of this run; who came a moment ago may be missed."""
        topics = (keys.topic(tenant, run_id), keys.topic(tenant, None))
        return any(query_page(self._client, None, **self._of_topic(topic), Limit=1)[0] for topic in topics)

    def _of_topic(self, topic: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": values(pk=topic),
        }
