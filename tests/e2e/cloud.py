"""The emulator's logs, executions, tables, streams and policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from local.deployment import STACK_NAME, session

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef


class Cloud:
    """The account of the deployed stack, with the emulator's administrator credentials."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url

    def client(self, service: Any) -> Any:
        return session().client(service, endpoint_url=self._endpoint_url)

    def physical_id(self, logical_id: str) -> str:
        return self._physical_ids[logical_id]

    @cached_property
    def _physical_ids(self) -> dict[str, str]:
        found = self.client("cloudformation").describe_stack_resources(StackName=STACK_NAME)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}

    def history(self, run_id: int, attempt: int = 1) -> list[HistoryEventTypeDef]:
        """All events of the execution of one attempt, in order."""
        execution = f"default-{run_id}-{attempt}"
        arn = self.physical_id("StateMachine").replace(":stateMachine:", ":execution:") + f":{execution}"
        pages = self.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def statuses(self, run_id: int) -> list[str]:
        """The statuses that the run's record has had, in order, from the table's stream."""
        key = {"S": f"default#RUN#{run_id}"}
        images = (record["dynamodb"].get("NewImage", {}) for record in self._stream_records())
        written = [image["status"]["S"] for image in images if image.get("pk") == key and image["sk"]["S"] == "RUN"]
        return [status for index, status in enumerate(written) if index == 0 or status != written[index - 1]]

    def _stream_records(self) -> Iterator[dict[str, Any]]:
        streams = self.client("dynamodbstreams")
        table = self.client("dynamodb").describe_table(TableName=self.physical_id("RunsTable"))["Table"]
        arn = table["LatestStreamArn"]
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                page = streams.get_records(ShardIterator=iterator)
                yield from page["Records"]
                iterator = page.get("NextShardIterator") if page["Records"] else None

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of the table."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.physical_id(table))
        return [item for page in pages for item in page["Items"]]

    def log_groups(self) -> list[str]:
        pages = self.client("logs").get_paginator("describe_log_groups").paginate()
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]

    def log(self, group: str) -> list[str]:
        """All lines of the log group."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]

    @contextmanager
    def without(self, function: str, sid: str) -> Iterator[None]:
        """Remove one statement of the function's policy inside the block."""
        iam = self.client("iam")
        role = self.physical_id(f"{function}Role")
        policy = {"RoleName": role, "PolicyName": f"{function}RolePolicy0"}
        whole = iam.get_role_policy(**policy)["PolicyDocument"]
        rest = [statement for statement in whole["Statement"] if statement["Sid"] != sid]
        assert len(rest) == len(whole["Statement"]) - 1, f"{function} has no single statement {sid}"
        iam.put_role_policy(**policy, PolicyDocument=json.dumps(whole | {"Statement": rest}))
        try:
            yield
        finally:
            iam.put_role_policy(**policy, PolicyDocument=json.dumps(whole))
