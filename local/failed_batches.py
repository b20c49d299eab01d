"""Batches of changes that Lambda has given up: the queue that describes them, their records, and the function for them.

An entry of the queue has the place of the records in the stream of the Runs table, which retains them for 24 hours.
Source: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_sqs.client import SQSClient

RETENTION = timedelta(hours=24)
"""Of a stream. Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"""

HIDDEN_SECONDS = 900
"""An entry that was received is invisible for others, until it is deleted or released."""

MAX_RECORDS = 50
"""Of an invocation, as in the mapping: docs/decisions/0041-a-batch-of-live-messages-ends-in-time.md"""

MAX_EVENT_BYTES = 5_000_000
"""Of an invocation; Lambda accepts 6 MB."""

MAX_EMPTY_PAGES = 100
"""An open shard has a next page forever, and any of them may be empty."""

NOT_IN_THE_STREAM = ("TrimmedDataAccessException", "ResourceNotFoundException")
"""The records are older than 24 hours, or the stream or its shard no longer exists."""

ALIAS = "live"


class NotReadable(Exception):
    """The records are no longer in the stream."""


class NotSent(Exception):
    """The function did not send the messages of the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedBatch:
    """An entry of the queue. ``start`` and ``end`` are the sequence numbers of its first and last record."""

    receipt: str
    failed_at: datetime
    reason: str
    records: int
    stream: str
    shard: str
    start: str
    end: str
    first_record_at: datetime

    def readable_until(self) -> datetime:
        return self.first_record_at + RETENTION


def failed_batch(entry: Mapping[str, Any]) -> FailedBatch | None:
    """``None``: the entry is not from Lambda, for a stream of DynamoDB."""
    try:
        body = json.loads(entry["Body"])
        place = body["DDBStreamBatchInfo"]
        return FailedBatch(
            receipt=entry["ReceiptHandle"],
            failed_at=datetime.fromisoformat(body["timestamp"]),
            reason=body["requestContext"]["condition"],
            records=int(place["batchSize"]),
            stream=place["streamArn"],
            shard=place["shardId"],
            start=place["startSequenceNumber"],
            end=place["endSequenceNumber"],
            first_record_at=datetime.fromisoformat(place["approximateArrivalOfFirstRecord"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Queue:
    """The failure queue. Only one command may read it at the same time."""

    client: SQSClient
    url: str
    wait_seconds: int = 1
    """With a wait, SQS looks at all of its servers; without one, an empty response can be wrong."""

    def receive(self) -> list[Mapping[str, Any]]:
        """All entries; each must be deleted or released."""
        received: dict[str, Mapping[str, Any]] = {}
        while entries := self._next():
            received |= {entry["MessageId"]: entry for entry in entries}  # SQS may deliver one twice
        return list(received.values())

    def delete(self, receipt: str) -> None:
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=receipt)

    def release(self, receipt: str) -> None:
        """Make the entry visible again."""
        self.client.change_message_visibility(QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=0)

    def _next(self) -> Sequence[Mapping[str, Any]]:
        response = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=self.wait_seconds,
        )
        entries: Sequence[Any] = response.get("Messages", [])
        return entries


@dataclass(frozen=True, slots=True)
class Stream:
    """Reads records by their place."""

    client: Any

    def read(self, batch: FailedBatch) -> list[dict[str, Any]]:
        """The records of a batch, as in the event of a function.

        :raises NotReadable: if one of them is no longer in the stream.
        """
        try:
            return [_event_record(record, batch.stream) for record in self._records(batch)]
        except ClientError as error:
            if error.response["Error"]["Code"] not in NOT_IN_THE_STREAM:
                raise
            raise NotReadable from error

    def _records(self, batch: FailedBatch) -> Iterator[Mapping[str, Any]]:
        for record in self._from(batch):
            yield record
            if _sequence_number(record) == batch.end:
                return
            if int(_sequence_number(record)) > int(batch.end):
                break
        raise NotReadable

    def _from(self, batch: FailedBatch) -> Iterator[Mapping[str, Any]]:
        """The records of the shard, from the first of the batch to the last that was found."""
        iterator = self.client.get_shard_iterator(
            StreamArn=batch.stream,
            ShardId=batch.shard,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=batch.start,
        )["ShardIterator"]
        empty = 0
        while iterator and empty < MAX_EMPTY_PAGES:
            page = self.client.get_records(ShardIterator=iterator)
            yield from page["Records"]
            iterator = page.get("NextShardIterator")
            empty = 0 if page["Records"] else empty + 1


@dataclass(frozen=True, slots=True)
class Notifier:
    """The function that sends live messages."""

    client: LambdaClient
    function: str

    def send(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Send the messages of all records, in order.

        :raises NotSent: if the function fails; some messages may have been sent.
        """
        pending = records
        while pending:
            invoked = pending[: _fitting(pending)]
            sent = len(invoked) - self._unsent(invoked)
            if sent == 0:
                raise NotSent("it reports that the first record was not sent")
            pending = pending[sent:]

    def _unsent(self, records: Sequence[Mapping[str, Any]]) -> int:
        """How many records, at the end, the function did not send."""
        response = self.client.invoke(
            FunctionName=self.function, Qualifier=ALIAS, Payload=json.dumps({"Records": records}).encode()
        )
        answer = json.loads(response["Payload"].read() or b"{}")
        if kind := response.get("FunctionError"):
            raise NotSent(f"it failed with {answer.get('errorType', kind)}")
        failures = answer.get("batchItemFailures") or []
        first = failures[0]["itemIdentifier"] if failures else None
        numbers = [_sequence_number(record) for record in records]
        return 0 if first is None else len(numbers) - numbers.index(first)


def _fitting(records: Sequence[Mapping[str, Any]]) -> int:
    """How many of the first records fit into one invocation; at least one, which always does."""
    size = 0
    for count, record in enumerate(records[:MAX_RECORDS]):
        size += len(json.dumps(record))
        if count and size > MAX_EVENT_BYTES:
            return count
    return min(len(records), MAX_RECORDS)


def _sequence_number(record: Mapping[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _event_record(record: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """A record of the stream's API as Lambda passes it to a function.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
    """
    passed: dict[str, Any] = json.loads(json.dumps(record, default=_encoded))
    return {**passed, "eventSourceARN": stream}


def _encoded(value: datetime | bytes) -> float | str:
    """Times as seconds since 1970, bytes in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.timestamp()
