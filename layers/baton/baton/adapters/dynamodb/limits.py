"""The limits of LLM instances in the Runs table: one small item an instance, which all of its calls write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import condition_failing_as, expression_names, get_many, values
from baton.adapters.dynamodb.items import record_from_item, record_to_item
from baton.domain.errors import LimitsConflict
from baton.domain.llm.limits import LimitState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoLimitStore:
    """Reads are strongly consistent: a turn is given on the newest state or not at all."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, tenant: str, instance_id: int) -> LimitState:
        """The newest state; an instance that nobody has used yet has the first one."""
        found = get_many(self._client, self._table, [keys.limits(tenant, instance_id)])
        return record_from_item(LimitState, found[0]) if found else LimitState()

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        """Store the state in the place of the one that it was made from, as its next version.

        :raises LimitsConflict: if another one was stored since that was read.
        """
        following = replace(state, version=state.version + 1)
        nobody_was_first = "attribute_not_exists(pk) OR #version = :version"  # two calls may read one state; one wins
        with condition_failing_as(LimitsConflict()):
            self._client.put_item(
                TableName=self._table,
                Item=record_to_item(following, keys.limits(tenant, instance_id), expires_at=expires_at),
                ConditionExpression=nobody_was_first,
                ExpressionAttributeNames=expression_names("version"),
                ExpressionAttributeValues=values(version=state.version),
            )
