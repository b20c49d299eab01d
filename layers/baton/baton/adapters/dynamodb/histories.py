"""The Runs table as a follower sees it: what has happened in a run so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import projection, query, values
from baton.adapters.dynamodb.items import Item, from_item, record_from_item, to_item
from baton.adapters.dynamodb.responses import response_from_item
from baton.domain.errors import NotFound
from baton.domain.runs.run import Response, Run, RunHistory

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PROMPT = {"prompt", "prompt_truncated", "prompt_key", "prompt_bytes"}
_OF_A_HISTORY = sorted({"sk", "variables", *(f.name for kind in (Run, Response) for f in fields(kind))} - _PROMPT)
"""A prompt may be as long as an answer, and whoever reads a history has no use for it."""


class DynamoRunHistories:
    """Reads are strongly consistent: a subscriber must find what was written before it subscribed.

    A long text is read as its beginning.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, tenant: str, run_id: int) -> Run:
        """:raises NotFound:"""
        key = to_item(keys.run(tenant, run_id))
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" not in answer:
            raise NotFound("run", run_id)
        return record_from_item(Run, answer["Item"])

    def read_history(self, tenant: str, run_id: int) -> RunHistory:
        """The run with all responses so far, without their prompts, as of now; one query.

        :raises NotFound:
        """
        read = self.query(tenant, run_id, keys.RESPONSES_FROM, keys.VARIABLES, _OF_A_HISTORY)
        items = {item["sk"]["S"]: item for item in read}
        if keys.RUN not in items:
            raise NotFound("run", run_id)
        run, variables = items.pop(keys.RUN), items.pop(keys.VARIABLES, None)
        return RunHistory(
            run=record_from_item(Run, run),
            variables=from_item(variables)["variables"] if variables else {},
            responses=tuple(response_from_item(item) for item in items.values()),
        )

    def query(self, tenant: str, run_id: int, first: str, last: str, attributes: Sequence[str] = ()) -> Iterator[Item]:
        """The run's items whose sort keys lie between these two, in their order; or only these attributes of them."""
        return query(
            self._client,
            **projection(attributes),
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=values(pk=keys.run_partition(tenant, run_id), first=first, last=last),
            ConsistentRead=True,
        )
