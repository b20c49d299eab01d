"""DynamoDB calls that several stores share, with the loops that DynamoDB's limits require."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import batched, count
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from baton.adapters.dynamodb.codecs.attributes import Item, to_attributes
from baton.adapters.dynamodb.keys import Key
from baton.adapters.dynamodb.throttling import Deadline, retry_throttled
from baton.domain.errors import BatonError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_READ_AT_ONCE = 100
MAX_WRITTEN_AT_ONCE = 25
"""The most items that BatchGetItem reads and BatchWriteItem writes.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

MAX_BYTES_AT_ONCE = 1_000_000
"""What a partition writes in a second; a call may have 16 MB as JSON, in which an emoji of 4 bytes has 12.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
"""


def get_many(client: DynamoDBClient, table: str, wanted: Iterable[Key], attributes: Sequence[str] = ()) -> list[Item]:
    """The existing ones of these items, in no order; strongly consistent."""
    found: list[Item] = []

    def read(pending: Mapping[str, Any]) -> Mapping[str, Any]:
        page = client.batch_get_item(RequestItems=pending)
        found.extend(page["Responses"].get(table, []))
        return page["UnprocessedKeys"]

    deadline = Deadline()
    for batch in batched(dict.fromkeys(_key_pair(key) for key in wanted), MAX_READ_AT_ONCE, strict=False):
        _repeat_until_done(read, {table: _read_request(batch, attributes)}, deadline)
    return found


def write_many(
    client: DynamoDBClient,
    table: str,
    puts: Iterable[Item] = (),
    deletes: Iterable[Key] = (),
    deadline: Deadline | None = None,
) -> None:
    """Put and delete items, not in one transaction; on return, all writes are done.

    :raises Overloaded: if DynamoDB had no capacity for all of them until the deadline.
    """
    requests: list[Mapping[str, Any]] = [{"PutRequest": {"Item": item}} for item in puts]
    requests += [{"DeleteRequest": {"Key": to_attributes(key)}} for key in deletes]

    def write(pending: Mapping[str, Any]) -> Mapping[str, Any]:
        return client.batch_write_item(RequestItems=pending)["UnprocessedItems"]

    until = deadline or Deadline()
    for batch in _batches(requests):
        _repeat_until_done(write, {table: batch}, until)


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


def update_expression(sets: Iterable[str], removed: Iterable[str] = (), added: Iterable[str] = ()) -> str:
    """Set, remove and increment attributes, by the names of :func:`expression_names` and values of the same name."""
    clauses = {
        "SET": [f"#{name} = :{name}" for name in sets],
        "REMOVE": [f"#{name}" for name in removed],
        "ADD": [f"#{name} :{name}" for name in added],
    }
    return " ".join(f"{clause} {', '.join(terms)}" for clause, terms in clauses.items() if terms)


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


def _batches(requests: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Batches of at most :data:`MAX_BYTES_AT_ONCE`, or of one request."""
    batch: list[Mapping[str, Any]] = []
    size = 0
    for request in requests:
        more = len(json.dumps(request))
        if batch and (len(batch) == MAX_WRITTEN_AT_ONCE or size + more > MAX_BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += more
    if batch:
        yield batch


def _repeat_until_done(
    call: Callable[[Mapping[str, Any]], Mapping[str, Any]], pending: Mapping[str, Any], deadline: Deadline
) -> None:
    """Repeat the call with the unprocessed part, after increasing pauses.

    DynamoDB returns what it had no capacity for, or an error if it had none for any of it.

    :raises Overloaded: if a part is still unprocessed at the deadline.
    """
    for tries in count(1):
        pending = retry_throttled(partial(call, pending), deadline)
        if not pending:
            return
        deadline.pause(tries)
