"""Log groups of the template."""

from __future__ import annotations

from tests.support import template
from tests.support.template import CHANGED

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


def test_every_log_group_has_its_name_and_the_retention_of_the_parameter() -> None:
    deployed = template.deployed({**CHANGED, "LogWebSocketAccess": "true"})
    groups = {name: each["Properties"] for name, each in deployed.items() if each["Type"] == "AWS::Logs::LogGroup"}
    assert groups == {
        name: {"LogGroupName": group, "RetentionInDays": CHANGED["LogRetentionDays"]}
        for name, group in LOG_GROUPS.items()
    }
