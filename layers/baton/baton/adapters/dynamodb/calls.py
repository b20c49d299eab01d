"""DynamoDB calls that several stores share, with the loops that DynamoDB's limits require."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import batched, count
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from baton.adapters.dynamodb.codecs.attributes import Item, to_attributes
from baton.adapters.dynamodb.keys import Key
from baton.domain.errors import BatonError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_READ_AT_ONCE = 100
MAX_WRITTEN_AT_ONCE = 25
"""The most items that BatchGetItem reads and BatchWriteItem writes.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

MAX_PAUSE_SECONDS = 1.0
MAX_PAUSES = 10


class OverloadedError(Exception):
    """DynamoDB repeatedly left a part of the request unprocessed."""


def get_many(client: DynamoDBClient, table: str, wanted: Iterable[Key], attributes: Sequence[str] = ()) -> list[Item]:
    """The existing ones of these items, in no order; strongly consistent."""
    found: list[Item] = []

    def read(pending: Mapping[str, Any]) -> Mapping[str, Any]:
        page = client.batch_get_item(RequestItems=pending)
        found.extend(page["Responses"].get(table, []))
        return page["UnprocessedKeys"]

    for batch in batched(dict.fromkeys(_key_pair(key) for key in wanted), MAX_READ_AT_ONCE, strict=False):
        _repeat_until_done(read, {table: _read_request(batch, attributes)})
    return found


def write_many(client: DynamoDBClient, table: str, puts: Iterable[Item] = (), deletes: Iterable[Key] = ()) -> None:
    """Put and delete items, not in one transaction; on return, all writes are done."""
    requests: list[Mapping[str, Any]] = [{"PutRequest": {"Item": item}} for item in puts]
    requests += [{"DeleteRequest": {"Key": to_attributes(key)}} for key in deletes]

    def write(pending: Mapping[str, Any]) -> Mapping[str, Any]:
        return client.batch_write_item(RequestItems=pending)["UnprocessedItems"]

    for batch in batched(requests, MAX_WRITTEN_AT_ONCE, strict=False):
        _repeat_until_done(write, {table: list(batch)})


def query(client: DynamoDBClient, **request: Any) -> Iterator[Item]:
    """All items of a query, over its pages."""
    for page in client.get_paginator("query").paginate(**request):
        yield from page["Items"]


def query_page(client: DynamoDBClient, after: Item | None, **request: Any) -> tuple[list[Item], Item | None]:
    """One page of a query, and the key after which the next page starts, if there is one."""
    page = client.query(**request | ({"ExclusiveStartKey": after} if after else {}))
    return page["Items"], page.get("LastEvaluatedKey")


@contextmanager
def condition_failing_as(error: BatonError) -> Iterator[None]:
    """Within this block, a failed condition raises this error instead of DynamoDB's."""
    try:
        yield
    except ClientError as failure:
        if failure.response["Error"]["Code"] == "ConditionalCheckFailedException":
            raise error from failure
        raise


def expression_names(*attributes: str) -> dict[str, str]:
    """``#name`` for each attribute, since many of ours are reserved words."""
    return {f"#{attribute}": attribute for attribute in attributes}


def values(**given: Any) -> Item:
    """``:name`` for each value."""
    return {f":{name}": value for name, value in to_attributes(given).items()}


def projection(attributes: Sequence[str]) -> dict[str, Any]:
    """The parameters of a read of only these attributes; none for all attributes."""
    if not attributes:
        return {}
    return {
        "ProjectionExpression": ", ".join(f"#{attribute}" for attribute in attributes),
        "ExpressionAttributeNames": expression_names(*attributes),
    }


def _key_pair(key: Key) -> tuple[str, str]:
    return key["pk"], key["sk"]


def _read_request(pairs: Iterable[tuple[str, str]], attributes: Sequence[str]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "Keys": [to_attributes({"pk": pk, "sk": sk}) for pk, sk in pairs],
        "ConsistentRead": True,
    }
    return request | projection(attributes)


def _repeat_until_done(call: Callable[[Mapping[str, Any]], Mapping[str, Any]], pending: Mapping[str, Any]) -> None:
    """Repeat the call with the unprocessed part, after increasing pauses.

    :raises OverloadedError: after about five seconds.
    """
    for pauses in count():
        pending = call(pending)
        if not pending:
            return
        if pauses == MAX_PAUSES:
            raise OverloadedError(f"{len(pending)} tables still have unprocessed keys or items")
        time.sleep(min(MAX_PAUSE_SECONDS, 0.02 * 2**pauses))
