"""Lines in CloudWatch's embedded metric format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.metrics.provider import cold_start

from baton.adapters.metrics import EmfMetrics
from baton.domain.metrics import Metric


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> EmfMetrics:
    """After the first invocation."""
    monkeypatch.setattr(cold_start, "is_cold_start", False)
    return EmfMetrics("Baton", "execute_payload")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def count(name: str, value: float, **dimensions: str) -> Metric:
    return Metric(name=name, unit="Count", value=value, dimensions=dimensions)


def test_a_line_has_the_format_of_cloudwatch(metrics: EmfMetrics, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.add([Metric(name="LlmDuration", unit="Milliseconds", value=1.5, dimensions={"provider": "openai"})])
    metrics.flush()
    (line,) = lines(capsys)
    assert line["_aws"].pop("Timestamp") > 1_700_000_000_000
    assert line == {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "Baton",
                    "Dimensions": [["provider", "service"]],
                    "Metrics": [{"Name": "LlmDuration", "Unit": "Milliseconds"}],
                }
            ]
        },
        "provider": "openai",
        "service": "execute_payload",
        "LlmDuration": [1.5],
    }


def test_values_with_the_same_dimensions_share_a_line(metrics: EmfMetrics, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.add([count("Waits", 1, cause="limit"), count("A", 2), count("Waits", 1, cause="timeout")])
    metrics.add([count("Waits", 3, cause="limit"), count("B", 4)])
    metrics.flush()
    written = [{name: value for name, value in line.items() if name != "_aws"} for line in lines(capsys)]
    assert written == [
        {"cause": "limit", "service": "execute_payload", "Waits": [1.0, 3.0]},
        {"service": "execute_payload", "A": [2.0], "B": [4.0]},
        {"cause": "timeout", "service": "execute_payload", "Waits": [1.0]},
    ]


def test_what_has_been_written_is_not_written_again(metrics: EmfMetrics, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.add([count("A", 1)])
    metrics.flush()
    metrics.flush()
    assert len(lines(capsys)) == 1


def test_a_line_has_at_most_100_values_of_a_metric(metrics: EmfMetrics, capsys: pytest.CaptureFixture[str]) -> None:
    """CloudWatch ignores a line with more."""
    metrics.add([count("A", value) for value in range(250)])
    metrics.flush()
    written = [line["A"] for line in lines(capsys)]
    assert max(len(values) for values in written) == 100
    assert [value for values in written for value in values] == list(range(250))


def test_without_a_cold_start_there_is_no_line(metrics: EmfMetrics, capsys: pytest.CaptureFixture[str]) -> None:
    """As with provisioned concurrency."""
    metrics.flush()
    assert lines(capsys) == []


def test_the_first_invocation_is_a_cold_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cold_start, "is_cold_start", True)
    metrics = EmfMetrics("Baton", "runs_api")
    metrics.flush()
    metrics.flush()
    assert [line["ColdStart"] for line in lines(capsys)] == [[1.0]]
