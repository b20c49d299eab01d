"""All resources of the template by their type, and what happens to each when it is deleted or replaced."""

from __future__ import annotations

from collections import defaultdict

from tests.support import template

RESOURCES = {
    "AWS::ApiGatewayV2::Api": ["HttpApi"],
    "AWS::ApiGatewayV2::Integration": ["RunsIntegration", "CatalogIntegration"],
    "AWS::ApiGatewayV2::Stage": ["HttpStage"],
    "AWS::CloudWatch::Alarm": [
        "RunsApiErrorsAlarm",
        "CatalogApiErrorsAlarm",
        "ExecutePayloadErrorsAlarm",
        "NotifySubscribersErrorsAlarm",
        "WebSocketErrorsAlarm",
        "HttpErrorsAlarm",
        "ExecutionsFailedAlarm",
        "ExecutionsTimedOutAlarm",
        "ExecutionsThrottledAlarm",
        "FunctionThrottlesAlarm",
        "AccountConcurrencyAlarm",
        "PayloadConcurrencyAlarm",
        "IteratorAgeAlarm",
        "HttpLatencyAlarm",
        "TableThrottlesAlarm",
        "NotifyFailuresAlarm",
    ],
    "AWS::CloudWatch::Dashboard": ["Dashboard"],
    "AWS::DynamoDB::Table": ["RunsTable", "CatalogTable", "ConnectionsTable"],
    "AWS::IAM::Policy": ["BedrockPolicy"],
    "AWS::Lambda::EventSourceMapping": ["NotifySubscribersMapping"],
    "AWS::Lambda::Permission": ["RunsApiPermission", "CatalogApiPermission"],
    "AWS::Logs::LogGroup": [
        "RunsApiLogs",
        "CatalogApiLogs",
        "ExecutePayloadLogs",
        "NotifySubscribersLogs",
        "WebSocketLogs",
        "StateMachineLogs",
        "HttpAccessLogs",
        "WebSocketAccessLogs",
    ],
    "AWS::S3::Bucket": ["TextsBucket"],
    "AWS::S3::BucketPolicy": ["TextsBucketPolicy"],
    "AWS::SQS::Queue": ["NotifyFailures"],
    "AWS::Serverless::Function": [
        "RunsApiFunction",
        "CatalogApiFunction",
        "ExecutePayloadFunction",
        "NotifySubscribersFunction",
        "WebSocketFunction",
    ],
    "AWS::Serverless::LayerVersion": ["DependenciesLayer", "BatonLayer"],
    "AWS::Serverless::StateMachine": ["StateMachine"],
    "AWS::Serverless::WebSocketApi": ["WebSocketApi"],
}
"""By type; the routes of the HTTP API are compared with the handlers in test_routes.py."""

RETAINED_AFTER_THE_FIRST_DEPLOYMENT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
TRANSIENT = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
RETAINED = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}

POLICIES: dict[str, dict[str, str]] = {
    "RunsTable": RETAINED,
    "CatalogTable": RETAINED,
    "TextsBucket": RETAINED_AFTER_THE_FIRST_DEPLOYMENT,
    "ConnectionsTable": TRANSIENT,
    "NotifyFailures": TRANSIENT,
    **dict.fromkeys(RESOURCES["AWS::Logs::LogGroup"], RETAINED_AFTER_THE_FIRST_DEPLOYMENT),
    "ExecutePayloadFunction": {"UpdateReplacePolicy": "Retain"},
}
"""Every resource with such a policy: what happens to it if it is deleted or replaced."""


def test_the_template_has_exactly_these_resources() -> None:
    found = defaultdict(list)
    for name, each in template.template()["Resources"].items():
        found[each["Type"]].append(name)
    del found["AWS::ApiGatewayV2::Route"]
    assert {kind: sorted(names) for kind, names in found.items()} == {
        kind: sorted(names) for kind, names in RESOURCES.items()
    }


def test_users_data_logs_and_versions_of_the_payload_function_are_retained_and_nothing_else_is() -> None:
    names = ("DeletionPolicy", "UpdateReplacePolicy")
    found = {
        name: {policy: each[policy] for policy in names if policy in each}
        for name, each in template.template()["Resources"].items()
    }
    assert {name: each for name, each in found.items() if each} == POLICIES
