"""Both APIs as API Gateway gets them: throttles, access logs, CORS, integrations and targets of the routes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import template
from tests.support.template import CHANGED, DEFAULTS, EMULATOR, Parameters

THROTTLES = {
    "ThrottlingRateLimit": CHANGED["RequestRateLimit"],
    "ThrottlingBurstLimit": CHANGED["RequestBurstLimit"],
}

HTTP_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latency": "$context.responseLatency",
    "integrationError": "$context.integrationErrorMessage",
}
WEBSOCKET_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "connectionId": "$context.connectionId",
    "event": "$context.eventType",
    "route": "$context.routeKey",
    "status": "$context.status",
    "latency": "$context.integrationLatency",
    "integrationError": "$context.integration.error",
}
"""The fields of an entry: never a query string, a header or a body, which can contain users' data."""

INTEGRATIONS = {"RunsIntegration": "RunsApiFunction", "CatalogIntegration": "CatalogApiFunction"}
ROUTES_OF_RUNS_API = ("/api/runs", "/api/execute", "/docs", "/health", "/openapi.json", "/{proxy+}", "$default")
WEBSOCKET_ROUTES = ("$connect", "$disconnect", "$default", "subscribe", "unsubscribe", "ping")


def properties(name: str, parameters: Parameters | None = None) -> dict[str, Any]:
    return dict(template.deployed(CHANGED if parameters is None else parameters)[name]["Properties"])


def log_format(settings: dict[str, str]) -> Any:
    """The parsed format; its fields are JSON strings."""
    assert set(settings) == {"DestinationArn", "Format"}
    return json.loads(settings["Format"])


# --- HTTP ------------------------------------------------------------------------------------------------------------


def test_the_http_api_has_exactly_these_properties() -> None:
    made = properties("HttpApi")
    assert made.pop("Tags") == {"ms-custom-id": "STACK-http"}
    assert made.pop("CorsConfiguration") == {
        "AllowOrigins": ["https://a.example", "https://b.example"],
        "AllowMethods": ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"],
        "AllowHeaders": [
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "x-api-key",
            "x-correlation-id",
        ],
        "ExposeHeaders": ["allow", "etag", "location", "retry-after", "x-correlation-id"],
        "MaxAge": 3600,
    }
    assert made == {"Name": "STACK-http", "ProtocolType": "HTTP"}


def test_without_allowed_origins_there_is_no_cors() -> None:
    assert "CorsConfiguration" not in properties("HttpApi", DEFAULTS)
    assert "CorsConfiguration" in properties("HttpApi", {"AllowedOrigins": "https://a.example"})


def test_the_http_stage_throttles_and_logs() -> None:
    made = properties("HttpStage")
    logs = made.pop("AccessLogSettings")
    assert (logs["DestinationArn"], log_format(logs)) == ("HttpAccessLogs.Arn", HTTP_LOG)
    assert made == {
        "ApiId": "HttpApi",
        "StageName": "$default",
        "AutoDeploy": True,
        "DefaultRouteSettings": THROTTLES,
    }


@pytest.mark.parametrize(("name", "function"), INTEGRATIONS.items())
def test_each_integration_invokes_its_function(name: str, function: str) -> None:
    assert properties(name) == {
        "ApiId": "HttpApi",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": f"{function}.Alias",
        "PayloadFormatVersion": "2.0",
    }


def routes(parameters: Parameters) -> list[dict[str, Any]]:
    resources = template.deployed(parameters).values()
    return [each["Properties"] for each in resources if each["Type"] == "AWS::ApiGatewayV2::Route"]


def test_any_other_request_and_preflights_have_a_route() -> None:
    """They have no handler of their own, so test_routes.py can't find that one is missing."""
    assert {"$default", "OPTIONS /{proxy+}"} <= {route["RouteKey"] for route in routes(DEFAULTS)}


@pytest.mark.parametrize("parameters", [DEFAULTS, EMULATOR], ids=["aws", "emulator"])
def test_each_route_has_the_integration_of_its_path(parameters: Parameters) -> None:
    """Which keys exist is compared with the handlers in test_routes.py."""
    for route in routes(parameters):
        path = route["RouteKey"].rpartition(" ")[2]
        integration = "Runs" if path.startswith(ROUTES_OF_RUNS_API) else "Catalog"
        expected = {
            "ApiId": "HttpApi",
            "RouteKey": route["RouteKey"],
            "Target": f"integrations/{integration}Integration",
        }
        assert route == expected


def test_the_emulator_has_the_same_routes_and_collections_with_a_trailing_slash() -> None:
    on_aws = [route["RouteKey"] for route in routes(DEFAULTS)]
    on_emulator = [route["RouteKey"] for route in routes(EMULATOR)]
    collections = [key.rpartition(" ")[2] for key in on_aws if key.startswith("POST /api/") and "{" not in key]
    slashes = [f"{method} {path}/" for path in collections for method in ("GET", "HEAD", "POST")]
    assert len(set(on_emulator)) == len(on_emulator)
    assert sorted(on_emulator) == sorted([*on_aws, *slashes])


# --- WebSocket -------------------------------------------------------------------------------------------------------


def test_the_websocket_api_throttles_and_logs_and_sends_each_route_to_its_function() -> None:
    made = properties("WebSocketApi", {**CHANGED, "LogWebSocketAccess": "true"})
    logs = made.pop("AccessLogSettings")
    assert (logs["DestinationArn"], log_format(logs)) == ("WebSocketAccessLogs.Arn", WEBSOCKET_LOG)
    assert made.pop("Tags") == {"ms-custom-id": "STACK-websocket"}
    assert made.pop("Description")
    assert made == {
        "Name": "STACK-websocket",
        "StageName": "live",
        "RouteSelectionExpression": "$request.body.action",
        "Routes": {name: {"FunctionArn": "WebSocketFunction.Alias"} for name in WEBSOCKET_ROUTES},
        "DefaultRouteSettings": THROTTLES,
    }


def test_without_the_accounts_role_the_websocket_api_has_no_access_log() -> None:
    for parameters in (DEFAULTS, EMULATOR):
        assert "AccessLogSettings" not in properties("WebSocketApi", parameters)
