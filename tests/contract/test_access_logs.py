"""The access logs of both APIs use only variables that API Gateway documents for their kind of API."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support import template

DOCUMENTED = Path(__file__).with_name("access_log_variables")
"""The documented variables of each kind of API, with their source."""

FORMATS: dict[str, str] = {
    "http": template.resources("AWS::ApiGatewayV2::Stage")["HttpStage"]["AccessLogSettings"]["Format"],
    "websocket": template.resources("AWS::Serverless::WebSocketApi")["WebSocketApi"]["AccessLogSettings"]["Fn::If"][1][
        "Format"
    ],
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_variable_of_an_access_log_is_documented_for_its_kind_of_api(kind: str) -> None:
    used = set(re.findall(r"\$context\.[A-Za-z0-9.]+", FORMATS[kind]))
    assert used
    assert used - set((DOCUMENTED / f"{kind}.txt").read_text().splitlines()) == set()


@pytest.mark.parametrize("kind", FORMATS)
def test_an_entry_of_an_access_log_is_one_line_of_json(kind: str) -> None:
    """CloudWatch has one entry a line."""
    assert "\n" not in FORMATS[kind]
    assert all(isinstance(value, str) for value in json.loads(FORMATS[kind]).values())


def test_the_websocket_stage_logs_only_with_the_parameter_because_logging_needs_a_role_of_the_account() -> None:
    """Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html."""
    whole = template.template()
    assert whole["Parameters"]["LogWebSocketAccess"]["Default"] == "false"
    assert whole["Conditions"]["LogsWebSocketAccess"] == {"Fn::Equals": [{"Ref": "LogWebSocketAccess"}, "true"]}
    settings = whole["Resources"]["WebSocketApi"]["Properties"]["AccessLogSettings"]["Fn::If"]
    assert (settings[0], settings[2]) == ("LogsWebSocketAccess", {"Ref": "AWS::NoValue"})
    assert whole["Resources"]["WebSocketAccessLogs"]["Condition"] == "LogsWebSocketAccess"
    assert template.resources("AWS::ApiGateway::Account") == {}  # a deployment does not change the account
