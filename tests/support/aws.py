"""An AWS account in memory, with the tables and the bucket that template.yaml describes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.serialize import AttributePicker, AttributePickerContext
from moto.dynamodb import models as moto_dynamodb
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

from tests.support import environments, template

if TYPE_CHECKING:
    from moto.core.config import DefaultConfig
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

REGION = boto3.Session().get_available_regions("dynamodb")[0]
"""The first existing region: moto accepts only those."""

ACCOUNT_ID = DEFAULT_ACCOUNT_ID
STACK = "baton-test"
STATE_MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT_ID}:stateMachine:{STACK}"
EXECUTE_PAYLOAD_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{STACK}-execute_payload"

KNOWN = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
    "ExecutePayloadFunction.Arn": EXECUTE_PAYLOAD_ARN,
    "ExecutePayloadFunction.Version": f"{EXECUTE_PAYLOAD_ARN}:1",
    "StateMachine": STATE_MACHINE_ARN,
    "WebSocketApi": "websocketapi",
    **{table: f"{STACK}-{table}" for table in template.resources("AWS::DynamoDB::Table")},
    **{bucket: f"{STACK}-{bucket}".lower() for bucket in template.resources("AWS::S3::Bucket")},
}
"""The values of the template's names in this account."""

CREATE_TABLE = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "LocalSecondaryIndexes")
"""The properties of a table that CreateTable accepts under the same name."""

ATTRIBUTE_TYPES = frozenset(("S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"))
"""The members of DynamoDB's ``AttributeValue``, of which each value has one."""


@dataclass(kw_only=True)
class Account:
    """Clients of the account, and the names of what is in it."""

    monkeypatch: pytest.MonkeyPatch
    parameters: template.Parameters = field(default_factory=dict)
    runs_table: str = KNOWN["RunsTable"]
    catalog_table: str = KNOWN["CatalogTable"]
    connections_table: str = KNOWN["ConnectionsTable"]
    texts_bucket: str = KNOWN["TextsBucket"]

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return boto3.client("dynamodb")

    @cached_property
    def s3(self) -> S3Client:
        return boto3.client("s3")

    @cached_property
    def ssm(self) -> SSMClient:
        return boto3.client("ssm")

    @cached_property
    def stepfunctions(self) -> SFNClient:
        return boto3.client("stepfunctions")

    def deploy(self, parameters: template.Parameters) -> None:
        """Replace the environment and the objects of all functions by those of a deployment with these parameters."""
        self.parameters = parameters
        self.restart_functions()

    def restart_functions(self) -> None:
        """As new processes: none of them has an object or a cached value."""
        environments.install(self.monkeypatch, KNOWN, self.parameters)

    def create_state_machine(self, definition: str) -> None:
        """Create the state machine that the functions' settings name."""
        self.stepfunctions.create_state_machine(
            name=STACK, definition=definition, roleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/{STACK}"
        )

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table, in DynamoDB's format."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [dict(item) for page in pages for item in page["Items"]]


@contextmanager
def account(config: DefaultConfig | None = None) -> Iterator[Account]:
    """An account as after a deploy with the default parameters; each function has its own settings.

    ``config`` goes to moto: ``{"stepfunctions": {"execute_state_machine": True}}`` makes it run state machines.
    """
    with pytest.MonkeyPatch.context() as monkeypatch, mock_aws(config=config):
        _no_other_account(monkeypatch)
        monkeypatch.setattr(boto3, "client", shared_client)
        monkeypatch.setattr(AttributePicker, "__call__", _pick)
        monkeypatch.setattr(moto_dynamodb, "copy", SimpleNamespace(deepcopy=_copied_unless_a_table))
        monkeypatch.setattr(DynamoDBBackend, "transact_write_items", _transact)
        made = Account(monkeypatch=monkeypatch)
        _create_tables(made.dynamodb)
        for bucket in template.resources("AWS::S3::Bucket"):
            where = cast("BucketLocationConstraintType", REGION)
            made.s3.create_bucket(Bucket=KNOWN[bucket], CreateBucketConfiguration={"LocationConstraint": where})
        made.deploy(template.DEFAULTS)
        yield made


def shared_client(service_name: str, **options: Any) -> Any:
    """Replaces ``boto3.client``: one client per service, options and environment settings, for all tests.

    A new client takes about 30 ms, more than most tests. Its state is in moto, and each account starts empty.
    """
    described = {name: vars(value) if isinstance(value, Config) else value for name, value in options.items()}
    settings = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    key = repr((service_name, described, settings))
    if key not in _CLIENTS:
        make: Any = boto3.Session().client
        _CLIENTS[key] = make(service_name, **options)
    return _CLIENTS[key]


_CLIENTS: dict[str, Any] = {}


def _pick(picker: AttributePicker, context: AttributePickerContext, _pick: Any = AttributePicker.__call__) -> Any:
    """moto tries six names for each member of an attribute value, which is a fifth of the duration of a test."""
    if type(context.obj) is dict and len(context.obj) == 1 and context.key in ATTRIBUTE_TYPES:
        return context.obj.get(context.key)
    return _pick(picker, context)


def _copied_unless_a_table(value: Any) -> Any:
    return value if isinstance(value, Table) else deepcopy(value)


def _transact(
    backend: DynamoDBBackend,
    transact_items: list[dict[str, Any]],
    _transact: Any = DynamoDBBackend.transact_write_items,
) -> None:
    """moto copies whole tables before each transaction, with all items of their streams; here only what it writes."""
    before = [_items_before(backend.tables[op["TableName"]], op) for each in transact_items for op in each.values()]
    try:
        _transact(backend, transact_items)
    except Exception:
        for restore in before:
            restore()
        raise


def _items_before(table: Table, op: dict[str, Any]) -> Callable[[], None]:
    """A function that restores the item of a write, and the stream of its table."""
    key = op.get("Key") or op["Item"]
    partition, place = DynamoType(key[table.hash_key_attr]), DynamoType(key[str(table.range_key_attr)])
    item = deepcopy(table.items.get(partition, {}).get(place))
    shard = table.stream_shard
    records = len(shard.items) if shard else 0

    def restore() -> None:
        table.items[partition].pop(place, None)
        if item is not None:
            table.items[partition][place] = item
        if shard:
            del shard.items[records:]

    return restore


def _no_other_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own AWS settings from tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def _create_tables(client: DynamoDBClient) -> None:
    """The tables with the keys, indexes, streams and time to live of the template."""
    for name, properties in template.resources("AWS::DynamoDB::Table").items():
        request: dict[str, Any] = {key: properties[key] for key in CREATE_TABLE if key in properties}
        if "StreamSpecification" in properties:
            request["StreamSpecification"] = {"StreamEnabled": True, **properties["StreamSpecification"]}
        client.create_table(TableName=KNOWN[name], **request)
        if "TimeToLiveSpecification" in properties:
            client.update_time_to_live(
                TableName=KNOWN[name], TimeToLiveSpecification=properties["TimeToLiveSpecification"]
            )
