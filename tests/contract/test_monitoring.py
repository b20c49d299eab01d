"""Log groups and alarms of the template."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import template
from tests.support.template import CHANGED, DEFAULTS

LOG_GROUPS = {
    "RunsApiLogs": "/aws/lambda/STACK/runs_api/ID",
    "CatalogApiLogs": "/aws/lambda/STACK/catalog_api/ID",
    "ExecutePayloadLogs": "/aws/lambda/STACK/execute_payload/ID",
    "NotifySubscribersLogs": "/aws/lambda/STACK/notify_subscribers/ID",
    "WebSocketLogs": "/aws/lambda/STACK/websocket/ID",
    "StateMachineLogs": "/aws/vendedlogs/states/STACK/ID",
    "HttpAccessLogs": "/aws/vendedlogs/apigateway/STACK/http/ID",
    "WebSocketAccessLogs": "/aws/vendedlogs/apigateway/STACK/websocket/ID",
}

ERRORS = {
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0,
    "TreatMissingData": "notBreaching",
}


def of(dimension: str, value: str) -> dict[str, str]:
    return {"Name": dimension, "Value": value}


ALARMS: dict[str, dict[str, Any]] = {
    "NotifyFailuresAlarm": {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": "NotifyFailures.QueueName"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0,
        "TreatMissingData": "notBreaching",
    },
    "HttpErrorsAlarm": {
        **ERRORS,
        "Namespace": "AWS/ApiGateway",
        "MetricName": "5xx",
        "Dimensions": [of("ApiId", "HttpApi")],
    },
    **{
        f"{name}ErrorsAlarm": {
            **ERRORS,
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": [of("FunctionName", f"{name}Function")],
        }
        for name in ("RunsApi", "CatalogApi", "ExecutePayload", "NotifySubscribers", "WebSocket")
    },
}


def test_every_log_group_has_its_name_and_the_retention_of_the_parameter() -> None:
    deployed = template.deployed({**CHANGED, "LogWebSocketAccess": "true"})
    groups = {name: each["Properties"] for name, each in deployed.items() if each["Type"] == "AWS::Logs::LogGroup"}
    assert groups == {
        name: {"LogGroupName": group, "RetentionInDays": CHANGED["LogRetentionDays"]}
        for name, group in LOG_GROUPS.items()
    }


@pytest.mark.parametrize("name", ALARMS)
def test_each_alarm_has_exactly_these_properties(name: str) -> None:
    made = dict(template.deployed(CHANGED)[name]["Properties"])
    assert made.pop("AlarmDescription")
    assert made == {**ALARMS[name], "AlarmActions": [CHANGED["AlarmTopicArn"]]}


@pytest.mark.parametrize("name", ALARMS)
def test_without_a_topic_an_alarm_notifies_no_one(name: str) -> None:
    assert "AlarmActions" not in template.deployed(DEFAULTS)[name]["Properties"]
