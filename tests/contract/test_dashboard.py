"""The dashboard of the template: a valid document, in which every metric exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import metrics, template
from tests.support.metrics import EMITTED, NAMESPACE, PROVIDED, Dimensions
from tests.support.template import CHANGED, DEFAULTS, EMULATOR, Parameters

SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>\"[\w/]+\"[\w,]+)\} MetricName=\"(?P<name>\w+)\"', '(?P<stat>\w+)', (?P<period>\d+)\)"
)
MAX_METRICS = 500
"""Of a widget. Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"""

NOT_DRAWN = {("AWS/Usage", "ResourceCount")}
"""Only an alarm needs it."""

PERCENTILES = [("PayloadDuration", NAMESPACE), ("MessageLag", NAMESPACE), ("Latency", "AWS/ApiGateway")]
LAYOUT = {"alarm": (24, 4), "text": (24, 1), "metric": (8, 6)}
"""Width and height of each type; a row has 24 columns."""

type Metric = tuple[str, str, Dimensions]

everywhere = pytest.mark.parametrize("parameters", [DEFAULTS, EMULATOR, CHANGED], ids=["aws", "emulator", "changed"])


def widgets(parameters: Parameters = DEFAULTS) -> list[dict[str, Any]]:
    body = json.loads(template.deployed(parameters)["Dashboard"]["Properties"]["DashboardBody"])
    assert set(body) == {"widgets"}
    return list(body["widgets"])


def charts() -> list[dict[str, Any]]:
    return [widget["properties"] for widget in widgets() if widget["type"] == "metric"]


def drawn(chart: dict[str, Any]) -> Iterator[tuple[Metric, dict[str, Any]]]:
    """Each metric of a chart with its options. Those of a search have any value of their dimensions."""
    for entry in chart["metrics"]:
        options = entry[-1]
        if "expression" in options:
            found = SEARCH.fullmatch(options["expression"])
            assert found, options
            namespace, *dimensions = found["schema"].replace('"', "").split(",")
            assert int(found["period"]) == chart["period"]
            yield (namespace, found["name"], frozenset(dimensions)), {**options, "stat": found["stat"]}
        else:
            namespace, name, *pairs = entry[:-1]
            yield (namespace, name, frozenset(pairs[::2])), options


def all_metrics() -> list[tuple[Metric, dict[str, Any]]]:
    return [each for chart in charts() for each in drawn(chart)]


@everywhere
def test_the_dashboard_is_valid_json_with_known_widgets(parameters: Parameters) -> None:
    for widget in widgets(parameters):
        assert (widget["width"], widget["height"]) == LAYOUT[widget["type"]]
        assert "${" not in json.dumps(widget).replace("${PROP('Dim.", "")


def test_its_name_differs_between_stacks_and_regions() -> None:
    assert template.deployed(DEFAULTS)["Dashboard"]["Properties"]["DashboardName"] == "STACK-REGION"


@everywhere
def test_it_shows_the_state_of_every_deployed_alarm(parameters: Parameters) -> None:
    (shown,) = [widget["properties"]["alarms"] for widget in widgets(parameters) if widget["type"] == "alarm"]
    deployed = template.deployed(parameters)
    expected = [f"{name}.Arn" for name, each in deployed.items() if each["Type"] == "AWS::CloudWatch::Alarm"]
    assert sorted(shown) == sorted(expected)


def test_every_chart_has_a_title_a_region_a_statistic_and_few_metrics() -> None:
    for chart in charts():
        assert set(chart) == {"title", "region", "stat", "period", "metrics"}
        assert chart["region"] == "REGION"
        assert chart["period"] in (60, 300, 3600)
        assert len(chart["metrics"]) <= MAX_METRICS
    titles = [chart["title"] for chart in charts()]
    assert len(titles) == len(set(titles))


def test_every_metric_exists_with_its_dimensions() -> None:
    for metric, _ in all_metrics():
        assert metrics.exists(*metric), metric


def test_every_metric_of_baton_and_every_listed_metric_of_aws_is_drawn() -> None:
    found = {metric[:2] for metric, _ in all_metrics()}
    assert found == {(NAMESPACE, name) for name in EMITTED} | set(PROVIDED) - NOT_DRAWN


def test_metrics_of_functions_are_drawn_for_each_function() -> None:
    functions = set(template.resources("AWS::Serverless::Function"))
    for name in ("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"):
        assert {entry[3] for chart in charts() for entry in chart["metrics"] if entry[1:2] == [name]} == functions


@pytest.mark.parametrize(("name", "namespace"), PERCENTILES)
def test_times_are_drawn_as_percentiles(name: str, namespace: str) -> None:
    shown = [options.get("stat") for metric, options in all_metrics() if metric[:2] == (namespace, name)]
    assert shown == ["p50", "p95", "p99"]


def test_a_label_names_only_dimensions_of_its_metric() -> None:
    for (_, name, dimensions), options in all_metrics():
        named = set(re.findall(r"Dim\.(\w+)", options.get("label", "")))
        assert named <= dimensions, name
        if name in EMITTED:
            assert set(EMITTED[name].dimensions) <= named, name
