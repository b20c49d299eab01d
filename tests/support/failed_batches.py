"""What Lambda adds to a queue for a batch of a DynamoDB stream that it gives up.

Source: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class TableStream:
    """The stream of a table, which has one shard; ``client`` is boto3's for streams."""

    client: Any
    table: str

    @property
    def arn(self) -> str:
        (found,) = self.client.list_streams(TableName=self.table)["Streams"]
        return str(found["StreamArn"])

    @property
    def shard(self) -> str:
        (found,) = self.client.describe_stream(StreamArn=self.arn)["StreamDescription"]["Shards"]
        return str(found["ShardId"])

    def records(self) -> Sequence[Mapping[str, Any]]:
        iterator = self.client.get_shard_iterator(
            StreamArn=self.arn, ShardId=self.shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found = list[Mapping[str, Any]]()
        while page := (response := self.client.get_records(ShardIterator=iterator))["Records"]:
            found += page
            iterator = response["NextShardIterator"]
        return found

    def numbers(self) -> list[str]:
        """The sequence numbers of all records."""
        return [record["dynamodb"]["SequenceNumber"] for record in self.records()]

    def failed_batch(self, first: int, last: int, **place: Any) -> dict[str, Any]:
        """The entry for the records from one index to another."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        numbers = self.numbers()
        batch = {
            "shardId": self.shard,
            "startSequenceNumber": numbers[first],
            "endSequenceNumber": numbers[last],
            "approximateArrivalOfFirstRecord": now,
            "approximateArrivalOfLastRecord": now,
            "batchSize": 1,
            "streamArn": self.arn,
        }
        return {
            "requestContext": {
                "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
                "functionArn": "arn:of:a:function",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 6,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": now,
            "DDBStreamBatchInfo": batch | place,
        }
