"""The Runs table as subscribers use it: the state of a run so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.calls import projection, query, values
from baton.adapters.dynamodb.codecs import response
from baton.adapters.dynamodb.codecs import run as run_codec
from baton.adapters.dynamodb.codecs.attributes import Item, to_attributes
from baton.adapters.dynamodb.codecs.response import response_from_item
from baton.adapters.dynamodb.codecs.run import run_from_item
from baton.adapters.dynamodb.codecs.variables import variables_from_item
from baton.domain.errors import NotFound
from baton.domain.runs.run import Run, RunHistory

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_HISTORY_ATTRIBUTES = sorted({"sk", "variables", *run_codec.ATTRIBUTES, *response.ATTRIBUTES})
"""All but the prompts: they may be as long as the answers, and a history does not contain them."""


class DynamoRunHistories:
    """Reads are strongly consistent: a subscriber must find what was written before it subscribed.

    Only the start of a long text is read.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, tenant: str, run_id: int) -> Run:
        """:raises NotFound:"""
        key = to_attributes(keys.run(tenant, run_id))
        found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" not in found:
            raise NotFound("run", run_id)
        return run_from_item(found["Item"])

    def read_history(self, tenant: str, run_id: int) -> RunHistory:
        """The run with all its existing responses, without their prompts, in one query.

        :raises NotFound:
        """
        read = self.query(tenant, run_id, keys.RESPONSES_FROM, keys.VARIABLES, _HISTORY_ATTRIBUTES)
        items = {item["sk"]["S"]: item for item in read}
        if keys.RUN not in items:
            raise NotFound("run", run_id)
        run, variables = items.pop(keys.RUN), items.pop(keys.VARIABLES, None)
        return RunHistory(
            run=run_from_item(run),
            variables=variables_from_item(variables),
            responses=tuple(response_from_item(item) for item in items.values()),
        )

    def query(self, tenant: str, run_id: int, first: str, last: str, attributes: Sequence[str] = ()) -> Iterator[Item]:
        """The run's items with sort keys from ``first`` to ``last``, in order; all their attributes, or only these."""
        return query(
            self._client,
            **projection(attributes),
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=values(pk=keys.run_partition(tenant, run_id), first=first, last=last),
            ConsistentRead=True,
        )
