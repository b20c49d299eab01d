"""The parameters of the template with their defaults and bounds, what each condition needs, and the outputs."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest

from tests.support import template
from tests.support.template import DEFAULTS, EMULATOR, Parameters

YES_OR_NO = {"Type": "String", "AllowedValues": ["true", "false"]}
TEXT = {"Type": "String", "Default": ""}
LOG_RETENTIONS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]
"""Those that CloudWatch Logs supports below 3,653 days."""

PARAMETERS: dict[str, dict[str, Any]] = {
    "Architecture": {"Type": "String", "Default": "arm64", "AllowedValues": ["arm64", "x86_64"]},
    "LogLevel": {"Type": "String", "Default": "INFO", "AllowedValues": ["DEBUG", "INFO", "WARN", "ERROR"]},
    "LogRetentionDays": {"Type": "Number", "Default": 30, "AllowedValues": LOG_RETENTIONS},
    "RunRetentionDays": {"Type": "Number", "Default": 90, "MinValue": 1, "MaxValue": 3650},
    "AllowedOrigins": {"Type": "CommaDelimitedList", "Default": ""},
    "RequestRateLimit": {"Type": "Number", "Default": 100, "MinValue": 1},
    "RequestBurstLimit": {"Type": "Number", "Default": 200, "MinValue": 1},
    "AlarmTopicArn": TEXT,
    "FailedRunsAlarmPercent": {"Type": "Number", "Default": 50, "MinValue": 1, "MaxValue": 100},
    "LogWebSocketAccess": {**YES_OR_NO, "Default": "false"},
    "AllowPrivateLlmHosts": {**YES_OR_NO, "Default": "false"},
    "AllowedLlmHosts": {**TEXT, "AllowedPattern": "[A-Za-z0-9.:_*, -]*", "MaxLength": 200},
    "AllowBedrock": {**YES_OR_NO, "Default": "false"},
    "MaxParallelPayloads": {"Type": "Number", "Default": 0, "MinValue": 0},
    "ExecutePayloadMemory": {"Type": "Number", "Default": 384, "MinValue": 256, "MaxValue": 10_240},
    "ShiftTrafficGradually": {**YES_OR_NO, "Default": "false"},
    "EmulatorHost": TEXT,
}
"""Whatever opens something is closed by default."""

CONDITIONAL: dict[str, Parameters] = {
    "TextsBucketPolicy": {"EmulatorHost": ""},
    "BedrockPolicy": {"AllowBedrock": "true"},
    "WebSocketAccessLogs": {"LogWebSocketAccess": "true"},
    "ExecutionsFailedAlarm": {"EmulatorHost": ""},
    "FunctionThrottlesAlarm": {"EmulatorHost": ""},
    "AccountConcurrencyAlarm": {"EmulatorHost": ""},
    "TableThrottlesAlarm": {"EmulatorHost": ""},
    "PayloadConcurrencyAlarm": {"MaxParallelPayloads": "7"},
}
"""Resources that are deployed only with these values. Beside them, the emulator has routes of its own."""

VALUES = {
    "EmulatorHost": ["", "localhost:4566"],
    "AllowBedrock": ["true", "false"],
    "LogWebSocketAccess": ["true", "false"],
    "AllowedOrigins": ["", "https://a.example"],
    "AllowedLlmHosts": ["", "api.example"],
    "AlarmTopicArn": ["", "arn:of:a:topic"],
    "MaxParallelPayloads": ["0", "7"],
}
"""Of each parameter that a condition refers to."""

CONDITIONS = {
    "OnAws": {"EmulatorHost": ""},
    "OnEmulator": {"EmulatorHost": "localhost:4566"},
    "AllowsBedrock": {"AllowBedrock": "true"},
    "AllowsOrigins": {"AllowedOrigins": "https://a.example"},
    "LimitsLlmHosts": {"AllowedLlmHosts": "api.example"},
    "NotifiesAlarms": {"AlarmTopicArn": "arn:of:a:topic"},
    "LogsWebSocketAccess": {"LogWebSocketAccess": "true"},
    "LimitsParallelPayloads": {"MaxParallelPayloads": "7"},
}
"""Parameters for which each condition is true."""


def test_each_parameter_has_exactly_this_type_default_and_bounds() -> None:
    found = {
        name: {key: value for key, value in parameter.items() if key != "Description"}
        for name, parameter in template.template()["Parameters"].items()
    }
    assert found == PARAMETERS


@pytest.mark.parametrize("hosts", ["", "api.example", "*.azure.example, api.example:8443", "127.0.0.1", "a_b.example"])
def test_lists_of_hosts_match_the_pattern_and_other_characters_do_not(hosts: str) -> None:
    pattern = template.template()["Parameters"]["AllowedLlmHosts"]["AllowedPattern"]
    assert re.fullmatch(pattern, hosts)
    assert not any(re.fullmatch(pattern, hosts + other) for other in ("/", "@", "?", "\n", "ä"))


@pytest.mark.parametrize(("name", "parameters"), CONDITIONS.items())
def test_each_condition_is_true_for_its_parameters(name: str, parameters: Parameters) -> None:
    assert template.conditions(parameters)[name]


def test_each_condition_that_a_default_leaves_false_is_false() -> None:
    true = {name for name, value in template.conditions(DEFAULTS).items() if value}
    assert true == {"OnAws"}
    assert not template.conditions(EMULATOR)["OnAws"]
    assert set(CONDITIONS) == set(template.template()["Conditions"])


def test_each_conditional_resource_is_deployed_exactly_with_its_parameters() -> None:
    resources = template.template()["Resources"]
    conditional = {
        name: each["Condition"]
        for name, each in resources.items()
        if "Condition" in each and each["Type"] != "AWS::ApiGatewayV2::Route"
    }
    assert set(conditional) == set(CONDITIONAL)
    for values in product(*VALUES.values()):
        parameters = dict(zip(VALUES, values, strict=True))
        met = template.conditions(parameters)
        expected = {name for name, needed in CONDITIONAL.items() if needed.items() <= parameters.items()}
        assert {name for name, condition in conditional.items() if met[condition]} == expected, parameters


@pytest.mark.parametrize(
    ("parameters", "outputs"),
    [
        (
            DEFAULTS,
            {
                "HttpUrl": "https://HttpApi.execute-api.REGION.SUFFIX",
                "WebSocketUrl": "wss://WebSocketApi.execute-api.REGION.SUFFIX/live",
            },
        ),
        (
            EMULATOR,
            {
                "HttpUrl": "http://localhost:4566/_aws/execute-api/HttpApi",
                "WebSocketUrl": "ws://localhost:4566/_aws/execute-api/WebSocketApi/live",
            },
        ),
    ],
    ids=["aws", "emulator"],
)
def test_the_outputs_are_the_urls_of_both_apis(parameters: Parameters, outputs: dict[str, str]) -> None:
    assert template.outputs(parameters) == outputs


def test_the_template_is_a_sam_template_with_globals_of_functions_only() -> None:
    made = template.template()
    assert made["Transform"] == "AWS::Serverless-2016-10-31"
    assert made["AWSTemplateFormatVersion"] == "2010-09-09"
    assert list(made["Globals"]) == ["Function"]
