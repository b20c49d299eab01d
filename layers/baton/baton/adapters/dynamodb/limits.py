"""The limits of LLM instances in the Runs table: one small item per instance, written by all of its calls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import condition_failing_as, expression_names, get_many, values
from baton.adapters.dynamodb.codecs.limit_state import limit_state_from_item, limit_state_to_item
from baton.domain.errors import LimitsConflict
from baton.domain.llm.limits import LimitState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoLimitStore:
    """Reads are strongly consistent, and a write fails unless it follows the newest state."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, tenant: str, instance_id: int) -> LimitState:
        """The newest state; the first state for an instance without calls so far."""
        found = get_many(self._client, self._table, [keys.limits(tenant, instance_id)])
        return limit_state_from_item(found[0]) if found else LimitState()

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        """Replace the state that this one was made from; it is stored as the next version.

        :raises LimitsConflict: if another state was stored in the meantime.
        """
        following = replace(state, version=state.version + 1)
        first_or_unchanged = "attribute_not_exists(pk) OR #version = :version"  # two calls may read one state; one wins
        with condition_failing_as(LimitsConflict()):
            self._client.put_item(
                TableName=self._table,
                Item=limit_state_to_item(following, keys.limits(tenant, instance_id), expires_at),
                ConditionExpression=first_or_unchanged,
                ExpressionAttributeNames=expression_names("version"),
                ExpressionAttributeValues=values(version=state.version),
            )
