"""How changes of runs are delivered to notify_subscribers, and what happens to those that fail."""

from __future__ import annotations

import json
from typing import Any

from tests.support import template
from tests.support.template import DEFAULTS

MAPPING: dict[str, Any] = {
    "FunctionName": "NotifySubscribersFunction.Alias",
    "EventSourceArn": "RunsTable.StreamArn",
    "StartingPosition": "TRIM_HORIZON",
    "BatchSize": 50,
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
    made = dict(template.deployed(DEFAULTS)["NotifySubscribersMapping"]["Properties"])
    (only,) = made.pop("FilterCriteria")["Filters"]
    assert set(only) == {"Pattern"}
    assert json.loads(only["Pattern"]) == FILTER
    assert made == MAPPING


def test_failed_records_are_retained_as_long_as_a_queue_can() -> None:
    properties = template.deployed(DEFAULTS)["NotifyFailures"]["Properties"]
    assert properties == {"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": True}


def test_no_function_has_an_event_of_sams() -> None:
    assert not [name for name, each in template.resources("AWS::Serverless::Function").items() if "Events" in each]
