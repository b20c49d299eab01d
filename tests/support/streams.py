"""The stream of the Runs table, from its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3

from tests.support.aws import Account


def records_of_runs(aws: Account) -> list[dict[str, Any]]:
    """All records, as a Lambda event has them."""
    return list(_records(aws.runs_table))


def _records(table: str) -> Iterator[dict[str, Any]]:
    client = boto3.client("dynamodbstreams")
    (found,) = client.list_streams(TableName=table)["Streams"]
    for shard in client.describe_stream(StreamArn=found["StreamArn"])["StreamDescription"]["Shards"]:
        iterator = client.get_shard_iterator(
            StreamArn=found["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        for record in client.get_records(ShardIterator=iterator["ShardIterator"])["Records"]:
            change = dict(record["dynamodb"])
            created = int(record["dynamodb"]["ApproximateCreationDateTime"].timestamp())
            yield {"eventName": record["eventName"], "dynamodb": change | {"ApproximateCreationDateTime": created}}
