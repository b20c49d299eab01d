"""The alarms of the template: what each watches, what it costs, and the page on what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import metrics, template
from tests.support.documents import Document
from tests.support.metrics import Dimensions
from tests.support.template import CHANGED, DEFAULTS, ROOT

PAGES = ROOT / "docs" / "operations" / "alarms"
INDEX = PAGES / "README.md"
MAX_DESCRIPTION = 1024
"""Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""

CENTS_A_METRIC = 10
"""A month, for each metric that an alarm reads. Source: https://aws.amazon.com/cloudwatch/pricing/"""

ABOVE = {"ComparisonOperator": "GreaterThanThreshold"}
ERRORS = {"Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 0, **ABOVE}
FUNCTIONS = {
    "runs_api": "RunsApi",
    "catalog_api": "CatalogApi",
    "execute_payload": "ExecutePayload",
    "notify_subscribers": "NotifySubscribers",
    "websocket": "WebSocket",
}
"""The logical ids of the functions without their last word, by folder."""

LOG_FIELDS = {
    # Keys of the functions' lines, and of their errors
    *("@timestamp", "@message", "level", "message", "service", "request_id", "correlation_id"),
    *("tenant", "run_id", "attempt", "position", "execution"),
    *("errors.0.type", "errors.0.code"),
    # Fields of "payload executed", "request answered" and "batch ends early"
    *("outcome", "wait_seconds", "method", "route", "status", "records", "sent"),
    # Reports of Lambda: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
    *("type", "record.status", "record.metrics.durationMs", "record.metrics.maxMemoryUsedMB"),
    "record.metrics.initDurationMs",
    # Access logs of both APIs
    *("latency", "integrationError", "event"),
    # State machine: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    "details.name",
}
QUERY_WORDS = {
    *("filter", "sort", "display", "stats", "limit", "by", "desc", "and", "or", "in", "like"),
    *("count", "max", "sum", "pct", "bin"),
}
SECTIONS = ["Meaning", "Find the cause", "What to do", "When it ends"]


def of(dimensions: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def read(namespace: str, name: str, period: int, stat: str = "Sum", **dimensions: str) -> dict[str, Any]:
    """A metric of an expression."""
    metric = {"Namespace": namespace, "MetricName": name, **({"Dimensions": of(dimensions)} if dimensions else {})}
    return {"ReturnData": False, "MetricStat": {"Metric": metric, "Stat": stat, "Period": period}}


def expression(text: str, label: str, read_metrics: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    result = {"Id": "result", "ReturnData": True, "Expression": text, "Label": label}
    return [result, *({"Id": id_, **metric} for id_, metric in read_metrics.items())]


def throttles(direction: str, table: str, index: str | None = None) -> dict[str, Any]:
    dimensions = {"TableName": table} | ({"GlobalSecondaryIndexName": index} if index else {})
    return read("AWS/DynamoDB", f"{direction}ThrottleEvents", 300, **dimensions)


EXECUTIONS = {"Namespace": "AWS/States", "Dimensions": of({"StateMachineArn": "StateMachine"})}
HTTP = {"Namespace": "AWS/ApiGateway", "Dimensions": of({"ApiId": "HttpApi"})}

ALARMS: dict[str, dict[str, Any]] = {
    **{
        f"{name}ErrorsAlarm": {
            **ERRORS,
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": of({"FunctionName": f"{name}Function"}),
        }
        for name in FUNCTIONS.values()
    },
    "HttpErrorsAlarm": {**ERRORS, **HTTP, "MetricName": "5xx"},
    "ExecutionsFailedAlarm": {
        "Metrics": expression(
            "IF(failed >= 10, 100 * failed / SUM([failed, FILL(succeeded, 0)]), 0)",
            "Failed executions in percent",
            {
                "failed": read("AWS/States", "ExecutionsFailed", 900, StateMachineArn="StateMachine"),
                "succeeded": read("AWS/States", "ExecutionsSucceeded", 900, StateMachineArn="StateMachine"),
            },
        ),
        "EvaluationPeriods": 1,
        "Threshold": CHANGED["FailedRunsAlarmPercent"],
        **ABOVE,
    },
    "ExecutionsTimedOutAlarm": {**ERRORS, **EXECUTIONS, "MetricName": "ExecutionsTimedOut", "Period": 300},
    "ExecutionsThrottledAlarm": {
        **ERRORS,
        **EXECUTIONS,
        "MetricName": "ExecutionThrottled",
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 3,
    },
    "FunctionThrottlesAlarm": {
        "Metrics": expression(
            "SUM(METRICS())",
            "Throttled invocations",
            {
                id_: read("AWS/Lambda", "Throttles", 60, FunctionName=f"{name}Function")
                for id_, name in FUNCTIONS.items()
                if id_ != "execute_payload"
            },
        ),
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 2,
        "Threshold": 0,
        **ABOVE,
    },
    "AccountConcurrencyAlarm": {
        "Metrics": expression(
            "100 * (claimed - 7) / (SERVICE_QUOTA(used) - 7)",
            "Used unreserved concurrency in percent",
            {
                "claimed": read("AWS/Lambda", "ClaimedAccountConcurrency", 60, "Maximum"),
                "used": read(
                    "AWS/Usage",
                    "ResourceCount",
                    60,
                    "Maximum",
                    Type="Resource",
                    Resource="ConcurrentExecutions",
                    Service="Lambda",
                    Class="None",
                ),
            },
        ),
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 3,
        "Threshold": 80,
        **ABOVE,
    },
    "PayloadConcurrencyAlarm": {
        "Namespace": "AWS/Lambda",
        "MetricName": "ConcurrentExecutions",
        "Dimensions": of({"FunctionName": "ExecutePayloadFunction"}),
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 15,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": CHANGED["MaxParallelPayloads"],
    },
    "IteratorAgeAlarm": {
        "Namespace": "AWS/Lambda",
        "MetricName": "IteratorAge",
        "Dimensions": of({"FunctionName": "NotifySubscribersFunction"}),
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 3,
        "Threshold": 60_000,
        **ABOVE,
    },
    "HttpLatencyAlarm": {
        **HTTP,
        "MetricName": "Latency",
        "ExtendedStatistic": "p99",
        "Period": 300,
        "EvaluationPeriods": 3,
        "Threshold": 5_000,
        **ABOVE,
    },
    "TableThrottlesAlarm": {
        "Metrics": expression(
            "SUM(METRICS())",
            "Throttled reads and writes",
            {
                "runs_reads": throttles("Read", "RunsTable"),
                "runs_writes": throttles("Write", "RunsTable"),
                "by_tenant_writes": throttles("Write", "RunsTable", "by_tenant"),
                "by_workflow_writes": throttles("Write", "RunsTable", "by_workflow"),
                "by_status_writes": throttles("Write", "RunsTable", "by_status"),
                "catalog_reads": throttles("Read", "CatalogTable"),
                "catalog_writes": throttles("Write", "CatalogTable"),
                "connections_reads": throttles("Read", "ConnectionsTable"),
                "connections_writes": throttles("Write", "ConnectionsTable"),
            },
        ),
        "EvaluationPeriods": 2,
        "Threshold": 100,
        **ABOVE,
    },
    "NotifyFailuresAlarm": {
        **ERRORS,
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": of({"QueueName": "NotifyFailures.QueueName"}),
        "Statistic": "Maximum",
    },
}

every_alarm = pytest.mark.parametrize("name", ALARMS)


def alarms() -> dict[str, dict[str, Any]]:
    """Every alarm that a deployment on AWS can have."""
    return {
        name: resource["Properties"]
        for name, resource in template.deployed(CHANGED).items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def page_of(alarm: str) -> Path:
    words = re.findall(r"[A-Z][a-z]*", alarm.removesuffix("Alarm"))
    return PAGES / f"{'-'.join(words).lower()}.md"


def metrics_of(alarm: dict[str, Any]) -> Iterator[tuple[str, str, Dimensions]]:
    """Namespace, name and dimensions of each metric that an alarm reads."""
    single = [alarm] if "MetricName" in alarm else []
    combined = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
    for metric in (*single, *combined):
        names = frozenset(dimension["Name"] for dimension in metric.get("Dimensions", []))
        yield metric["Namespace"], metric["MetricName"], names


@every_alarm
def test_each_alarm_has_exactly_these_properties(name: str) -> None:
    made = dict(alarms()[name])
    assert made.pop("AlarmDescription")
    always = {"TreatMissingData": "notBreaching", "AlarmActions": [CHANGED["AlarmTopicArn"]]}
    assert made == {**ALARMS[name], **always}


def test_these_are_all_alarms() -> None:
    assert set(alarms()) == set(ALARMS)


def test_without_a_topic_no_alarm_notifies_anyone() -> None:
    without = template.deployed(DEFAULTS)
    for name in set(ALARMS) & set(without):
        assert "AlarmActions" not in without[name]["Properties"], name


@every_alarm
def test_every_metric_of_an_alarm_exists_with_its_dimensions(name: str) -> None:
    read_metrics = list(metrics_of(alarms()[name]))
    assert read_metrics
    for metric in read_metrics:
        assert metrics.exists(*metric), metric


@every_alarm
def test_an_expression_reads_exactly_the_metrics_of_its_alarm(name: str) -> None:
    """An alarm can have at most 10 metrics."""
    queries = alarms()[name].get("Metrics", [])
    for query in (query for query in queries if "Expression" in query):
        ids = {each["Id"] for each in queries if "MetricStat" in each}
        used = set(re.findall(r"[a-z][a-z_]+", query["Expression"]))
        assert used == (set() if "METRICS()" in query["Expression"] else ids)
        assert len(ids) <= 10


@every_alarm
def test_the_description_of_an_alarm_says_what_to_do_and_names_its_page(name: str) -> None:
    description = alarms()[name]["AlarmDescription"]
    assert len(description) <= MAX_DESCRIPTION
    assert description.endswith(f" {page_of(name).relative_to(ROOT)}")
    assert len(re.findall(r"[.;] ", description)) >= 2


@every_alarm
def test_every_alarm_has_a_page_with_all_sections(name: str) -> None:
    page = Document(page_of(name))
    assert page.text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", page.prose, re.MULTILINE) == SECTIONS


def test_every_page_belongs_to_an_alarm_and_is_in_the_index() -> None:
    pages = {path.name for path in PAGES.glob("*.md")} - {INDEX.name}
    assert pages == {page_of(name).name for name in ALARMS}
    assert pages <= set(Document(INDEX).links())


def test_the_index_states_what_all_alarms_cost() -> None:
    """Those of a deployment with the default parameters, and the one that MaxParallelPayloads adds."""
    defaults = [name for name in ALARMS if name in template.deployed(DEFAULTS)]
    cents = CENTS_A_METRIC * sum(len(list(metrics_of(alarms()[name]))) for name in defaults)
    assert set(ALARMS) - set(defaults) == {"PayloadConcurrencyAlarm"}
    assert f"{cents / 100:.2f} USD a month" in INDEX.read_text()


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_queries_of_the_logs_use_known_fields_only(page: Path) -> None:
    for query in Document(page).blocks("text"):
        words = re.findall(r"@?[a-zA-Z][\w.]*", re.sub(r'"[^"]*"|= [A-Z_]+|\d+[mh]', "", query))
        assert set(words) <= LOG_FIELDS | QUERY_WORDS, set(words) - LOG_FIELDS - QUERY_WORDS
        assert query.startswith(("filter ", "stats "))


def test_events_that_the_queries_search_are_logged() -> None:
    """Each event is a literal in the code; a renamed one would no longer be found."""
    queries = "\n".join(query for page in PAGES.glob("*.md") for query in Document(page).blocks("text"))
    compared = re.findall(r'message (?:= ("[^"]+")|in \[(.+)\])', queries)
    events = {event for one, several in compared for event in json.loads(f"[{one or several}]")}
    code = "".join(path.read_text() for path in (ROOT / "layers" / "baton").rglob("*.py"))
    assert {"payload executed", "request answered", "batch ends early", "function failed"} <= events
    assert [event for event in sorted(events) if f'"{event}"' not in code] == []


def test_states_that_the_queries_search_exist() -> None:
    queries = "\n".join(query for page in PAGES.glob("*.md") for query in Document(page).blocks("text"))
    states = json.loads((ROOT / "functions" / "workflow.asl.json").read_text())["States"]
    searched = {name for each in re.findall(r"details\.name in \[(.+)\]", queries) for name in json.loads(f"[{each}]")}
    assert searched == {name for name in states if name.startswith("Describe")}
