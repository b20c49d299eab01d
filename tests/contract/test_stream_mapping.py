"""How changes of runs are delivered to notify_subscribers, and what happens to those that fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from baton.adapters.dynamodb.codecs.run import run_to_item
from baton.domain.live.messages import messages_of_change
from baton.domain.runs.run import Run
from tests.fakes.runs import FakeRuns
from tests.support import template
from tests.support.records import a_run
from tests.support.scenarios import ONE_ATTEMPT, RESUMED
from tests.support.template import DEFAULTS
from tests.support.use_cases import FakeBaton

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
IMAGES: list[dict[str, Any]] = [
    {"type": {"S": ["RESPONSE", "PART"]}},
    {"type": {"S": ["RUN"]}, "status": {"S": [{"anything-but": ["running"]}]}},
    {"type": {"S": ["RUN"]}, "started_with_response": {"BOOL": [False]}},
    {"type": {"S": ["RUN"]}, "started_with_response": {"BOOL": [{"exists": False}]}},
]
"""Records without a message would only cost invocations."""


def is_delivered(image: dict[str, Any]) -> bool:
    """Whether a pattern matches the new image, by the rules of
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html"""
    return any(
        all(any(matches(rule, image.get(name, {}).get(kind)) for rule in rules) for name, ((kind, rules),) in pattern)
        for pattern in ([(name, tuple(each.items())) for name, each in patterns.items()] for patterns in IMAGES)
    )


def matches(rule: Any, value: Any) -> bool:
    match rule:
        case {"anything-but": excluded}:
            return value is not None and value not in excluded
        case {"exists": False}:
            return value is None
        case _:
            return bool(value == rule)


def test_the_mapping_has_exactly_these_properties() -> None:
    made = dict(template.deployed(DEFAULTS)["NotifySubscribersMapping"]["Properties"])
    patterns = [json.loads(only) for each in made.pop("FilterCriteria")["Filters"] for only in each.values()]
    expected = [{"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": image}} for image in IMAGES]
    assert patterns == expected
    assert made == MAPPING


@pytest.mark.parametrize("scenario", [*ONE_ATTEMPT, *RESUMED], ids=lambda scenario: scenario.__name__)
def test_every_change_with_messages_is_delivered(scenario: Callable[[FakeBaton], None]) -> None:
    runs = FakeRuns()
    scenario(FakeBaton(runs=runs))
    for change in runs.changes:
        if isinstance(change.new, Run):
            image = run_to_item(change.new)
            assert is_delivered(image) or not messages_of_change(change)
            older = {name: value for name, value in image.items() if name != "started_with_response"}
            assert is_delivered(older)


def test_a_run_that_goes_on_with_a_response_is_not_delivered() -> None:
    assert not is_delivered(run_to_item(a_run(started_with_response=True)))
    assert not is_delivered({"type": {"S": "PAYLOAD"}})
    assert not is_delivered({})


def test_failed_records_are_retained_as_long_as_a_queue_can() -> None:
    properties = template.deployed(DEFAULTS)["NotifyFailures"]["Properties"]
    assert properties == {"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": True}


def test_no_function_has_an_event_of_sams() -> None:
    assert not [name for name, each in template.resources("AWS::Serverless::Function").items() if "Events" in each]
