"""The limits of LLM instances in the Runs table: one small item per instance, written by all of its calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's name

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import expression_names, get_many, values
from baton.adapters.dynamodb.codecs.attributes import to_attributes
from baton.adapters.dynamodb.codecs.limit_state import limit_state_from_item, limit_state_to_item
from baton.domain.errors import LimitsConflict, LimitsUnknown
from baton.domain.llm.limits import LimitState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CONDITION_FAILED = "ConditionalCheckFailedException"
NOT_STORED = (
    CONDITION_FAILED,
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
)
"""Errors after which an item is as before, if the request was sent only once."""

SERVER_ERROR = 500


class DynamoLimitStore:
    """Reads are strongly consistent, and a write fails unless it follows the newest state.

    ``writing`` is a client without retries. If the SDK repeats a request whose response was lost, the condition fails
    because of the first request, and it can't be known which calls are counted.
    """

    def __init__(self, client: DynamoDBClient, writing: DynamoDBClient, table: str) -> None:
        self._client = client
        self._writing = writing
        self._table = table

    def read(self, tenant: str, instance_id: int) -> LimitState:
        """The newest state; the first state for an instance without calls so far."""
        found = get_many(self._client, self._table, [keys.limits(tenant, instance_id)])
        return limit_state_from_item(found[0]) if found else LimitState()

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        """Replace the state that this one was made from; it is stored as the next version.

        :raises LimitsConflict: if another state was stored in the meantime, or the table is overloaded.
        :raises LimitsUnknown: if it is not known whether the state was stored.
        """
        following = replace(state, version=state.version + 1)
        first_or_unchanged = "attribute_not_exists(pk) OR #version = :version"  # two calls may read one state; one wins
        with _outcome():
            self._writing.put_item(
                TableName=self._table,
                Item=limit_state_to_item(following, keys.limits(tenant, instance_id), expires_at),
                ConditionExpression=first_or_unchanged,
                ExpressionAttributeNames=expression_names("version"),
                ExpressionAttributeValues=values(version=state.version),
            )

    def claim_slot(self, tenant: str, instance_id: int, slot: int, expires_at: int) -> bool:
        """Whether this is the first claim for the slot of a ticket. A step that is delivered twice claims it once.

        A claim whose response was lost counts as not made: the slot remains in use until its lease expires.
        """
        claim = {**keys.slot_claim(tenant, instance_id, slot), "expires_at": expires_at}
        try:
            self._client.put_item(
                TableName=self._table, Item=to_attributes(claim), ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as failure:
            if _code(failure) == CONDITION_FAILED:
                return False
            raise
        return True


@contextmanager
def _outcome() -> Iterator[None]:
    """Raise what is known about a write that failed."""
    try:
        yield
    except (ConnectionError, HTTPClientError) as failure:
        raise LimitsUnknown from failure
    except ClientError as failure:
        sent_once = not failure.response["ResponseMetadata"].get("RetryAttempts")
        if _code(failure) in NOT_STORED:
            raise (LimitsConflict if sent_once else LimitsUnknown) from failure
        if failure.response["ResponseMetadata"]["HTTPStatusCode"] >= SERVER_ERROR:
            raise LimitsUnknown from failure
        raise


def _code(failure: ClientError) -> str:
    return failure.response["Error"]["Code"]
