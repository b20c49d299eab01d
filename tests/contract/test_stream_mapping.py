"""How changes of runs are delivered to notify_subscribers, and what happens to those that fail."""

from __future__ import annotations

import json
from typing import Any

from tests.support import template
from tests.support.template import DEFAULTS

MAPPING: dict[str, Any] = {
    "FunctionName": "NotifySubscribersFunction",
    "EventSourceArn": "RunsTable.StreamArn",
    "StartingPosition": "TRIM_HORIZON",
    "BatchSize": 100,
    "ParallelizationFactor": 1,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 5,
    "MaximumRecordAgeInSeconds": 300,
    "DestinationConfig": {"OnFailure": {"Destination": "NotifyFailures.Arn"}},
}
FILTER: dict[str, Any] = {
    "eventName": ["INSERT", "MODIFY"],
    "dynamodb": {"NewImage": {"type": {"S": ["RUN", "RESPONSE", "PART"]}}},
}
"""Records of other kinds would only cost invocations."""


def test_the_mapping_has_exactly_these_properties() -> None:
    resource = template.deployed(DEFAULTS)["NotifySubscribersMapping"]
    made = dict(resource["Properties"])
    assert resource["Type"] == "AWS::Lambda::EventSourceMapping"
    (only,) = made.pop("FilterCriteria")["Filters"]
    assert set(only) == {"Pattern"}
    assert json.loads(only["Pattern"]) == FILTER
    assert made == MAPPING


def test_failed_records_are_retained_as_long_as_a_queue_can() -> None:
    resource = template.deployed(DEFAULTS)["NotifyFailures"]
    assert resource["Type"] == "AWS::SQS::Queue"
    assert resource["Properties"] == {"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": True}


def test_nothing_else_delivers_events() -> None:
    assert list(template.resources("AWS::Lambda::EventSourceMapping")) == ["NotifySubscribersMapping"]
    assert not [name for name, each in template.resources("AWS::Serverless::Function").items() if "Events" in each]
