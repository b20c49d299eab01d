"""The settings of each function, resolved from the parameters: one table, compared exactly.

A function reads its own environment only, so a wrong value in it would not be noticed elsewhere.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import template
from tests.support.template import CHANGED, DEFAULTS, EMULATOR, Parameters

AWS_CALLBACK = "https://WebSocketApi.execute-api.REGION.SUFFIX/live"
EMULATOR_CALLBACK = "http://localhost:4566/_aws/execute-api/WebSocketApi/live"

FUNCTIONS: dict[str, dict[str, Any]] = {
    "runs_api": {"resource": "RunsApiFunction", "memory": 256, "timeout": 29, "logs": "RunsApiLogs"},
    "catalog_api": {"resource": "CatalogApiFunction", "memory": 256, "timeout": 29, "logs": "CatalogApiLogs"},
    "execute_payload": {
        "resource": "ExecutePayloadFunction",
        "memory": "1024",
        "timeout": 900,
        "logs": "ExecutePayloadLogs",
        "more": {"ReservedConcurrentExecutions": "7"},
    },
    "notify_subscribers": {
        "resource": "NotifySubscribersFunction",
        "memory": 1769,
        "timeout": 300,
        "logs": "NotifySubscribersLogs",
    },
    "websocket": {"resource": "WebSocketFunction", "memory": 256, "timeout": 29, "logs": "WebSocketLogs"},
}
"""What differs between the functions, by their folder; a key ``more`` has further properties of the resource."""

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "runs_api": {
        "RUNS_TABLE": "RunsTable",
        "CATALOG_TABLE": "CatalogTable",
        "TEXTS_BUCKET": "TextsBucket",
        "STATE_MACHINE_ARN": "StateMachine",
        "RUN_RETENTION_DAYS": "90",
    },
    "catalog_api": {
        "CATALOG_TABLE": "CatalogTable",
        "TEXTS_BUCKET": "TextsBucket",
        "SECRETS_PREFIX": "/STACK",
        "ALLOW_PRIVATE_LLM_HOSTS": "false",
        "ALLOW_LOOPBACK_LLM_HOSTS": "false",
        "ALLOWED_LLM_HOSTS": "*",
    },
    "execute_payload": {
        "RUNS_TABLE": "RunsTable",
        "CONNECTIONS_TABLE": "ConnectionsTable",
        "TEXTS_BUCKET": "TextsBucket",
        "SECRETS_PREFIX": "/STACK",
        "ALLOW_PRIVATE_LLM_HOSTS": "false",
        "ALLOW_LOOPBACK_LLM_HOSTS": "false",
        "ALLOWED_LLM_HOSTS": "*",
    },
    "notify_subscribers": {"CONNECTIONS_TABLE": "ConnectionsTable", "WEBSOCKET_CALLBACK_URL": AWS_CALLBACK},
    "websocket": {
        "CONNECTIONS_TABLE": "ConnectionsTable",
        "RUNS_TABLE": "RunsTable",
        "WEBSOCKET_CALLBACK_URL": AWS_CALLBACK,
    },
}
"""The environment of each function with the default parameters, beside that of all functions."""

COMPARED_ELSEWHERE = ("Policies", "VersionDescription", "DeploymentPreference", "Environment")
"""In test_permissions.py, and below."""

VERSION_DESCRIPTIONS: dict[str, tuple[str, str]] = {
    "runs_api": ("arm64 log=INFO retention=90", "x86_64 log=WARN retention=45"),
    "catalog_api": (
        "arm64 log=INFO private=false hosts=*",
        "x86_64 log=WARN private=false hosts=api.example,*.b.example",
    ),
    "execute_payload": (
        "arm64 384 log=INFO private=false hosts=*",
        "x86_64 1024 log=WARN private=false hosts=api.example,*.b.example",
    ),
    "notify_subscribers": ("arm64 log=INFO emulator=", "x86_64 log=WARN emulator="),
    "websocket": ("arm64 log=INFO emulator=", "x86_64 log=WARN emulator="),
}
"""With the default parameters and with ``CHANGED``. A changed description is what publishes a version."""

DEPLOYMENT_ALARMS = [
    "RunsApiErrorsAlarm",
    "CatalogApiErrorsAlarm",
    "ExecutePayloadErrorsAlarm",
    "NotifySubscribersErrorsAlarm",
    "WebSocketErrorsAlarm",
    "HttpErrorsAlarm",
]

COMMON = {"POWERTOOLS_METRICS_NAMESPACE": "Baton/STACK", "POWERTOOLS_LOG_LEVEL": "INFO"}


def at_default(function: str) -> dict[str, str]:
    """The complete environment with the default parameters; the service is the function."""
    return {"POWERTOOLS_SERVICE_NAME": function, **COMMON, **ENVIRONMENTS[function]}


EFFECTS: list[tuple[Parameters, dict[str, str]]] = [
    ({"LogLevel": "DEBUG"}, {"POWERTOOLS_LOG_LEVEL": "DEBUG"}),
    ({"RunRetentionDays": "45"}, {"RUN_RETENTION_DAYS": "45"}),
    ({"AllowPrivateLlmHosts": "true"}, {"ALLOW_PRIVATE_LLM_HOSTS": "true"}),
    ({"AllowedLlmHosts": "api.example,*.b.example"}, {"ALLOWED_LLM_HOSTS": "api.example,*.b.example"}),
    (EMULATOR, {"ALLOW_LOOPBACK_LLM_HOSTS": "true", "WEBSOCKET_CALLBACK_URL": EMULATOR_CALLBACK}),
]
"""The variables that a parameter changes, in every function that has them; no other parameter changes one."""

WITHOUT_EFFECT: list[Parameters] = [
    {"Architecture": "x86_64"},
    {"LogRetentionDays": "7"},
    {"AllowedOrigins": "https://a.example"},
    {"RequestRateLimit": "11"},
    {"RequestBurstLimit": "22"},
    {"AlarmTopicArn": "arn:of:a:topic"},
    {"FailedRunsAlarmPercent": "33"},
    {"LogWebSocketAccess": "true"},
    {"ShiftTrafficGradually": "true"},
    {"AllowBedrock": "true"},
    {"MaxParallelPayloads": "7"},
    {"ExecutePayloadMemory": "1024"},
]


def combinations() -> list[tuple[Parameters, dict[str, str]]]:
    """Each set of the parameters in EFFECTS, with all variables that they change."""
    found: list[tuple[Parameters, dict[str, str]]] = [({}, {})]
    for parameters, variables in EFFECTS:
        found += [({**chosen, **parameters}, {**changed, **variables}) for chosen, changed in found]
    return found


def environment(function: str, parameters: Parameters) -> dict[str, str]:
    resource = template.deployed(parameters)[FUNCTIONS[function]["resource"]]
    return dict(resource["Properties"]["Environment"]["Variables"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_exactly_its_environment_under_each_combination_of_parameters(function: str) -> None:
    expected = at_default(function)
    for parameters, changed in combinations():
        own = {name: value for name, value in changed.items() if name in expected}
        assert environment(function, parameters) == {**expected, **own}, parameters


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_other_parameter_changes_an_environment(function: str) -> None:
    for parameters in WITHOUT_EFFECT:
        assert environment(function, parameters) == at_default(function), parameters
    given = {name for parameters, *_ in (*EFFECTS, *[(each,) for each in WITHOUT_EFFECT]) for name in parameters}
    assert given == set(template.template()["Parameters"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_exactly_these_properties(function: str) -> None:
    stated = FUNCTIONS[function]
    resource = template.deployed(CHANGED)[stated["resource"]]
    properties = {name: value for name, value in resource["Properties"].items() if name not in COMPARED_ELSEWHERE}
    assert set(resource["Properties"]["Environment"]) == {"Variables"}
    assert properties == {
        "CodeUri": f"functions/{function}",
        "Handler": "app.handler",
        "Runtime": "python3.13",
        "Architectures": ["x86_64"],
        "MemorySize": stated["memory"],
        "Timeout": stated["timeout"],
        "Tracing": "Active",
        "AutoPublishAlias": "live",
        "AutoPublishAliasAllProperties": True,
        "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "LogGroup": stated["logs"]},
        "Layers": ["DependenciesLayer", "BatonLayer"],
        **stated.get("more", {}),
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_version_is_described_by_the_parameters_of_its_function(function: str) -> None:
    described = tuple(
        template.deployed(parameters)[FUNCTIONS[function]["resource"]]["Properties"]["VersionDescription"]
        for parameters in (DEFAULTS, CHANGED)
    )
    assert described == VERSION_DESCRIPTIONS[function]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("gradual", ["true", "false"])
def test_an_update_shifts_gradually_if_demanded_and_each_alarm_ends_it(function: str, gradual: str) -> None:
    resource = template.deployed({"ShiftTrafficGradually": gradual})[FUNCTIONS[function]["resource"]]
    preference = {"Type": "Canary10Percent5Minutes", "Alarms": DEPLOYMENT_ALARMS}
    enabled = False if function == "execute_payload" else gradual
    assert resource["Properties"]["DeploymentPreference"] == {**preference, "Enabled": enabled}


def test_without_a_bound_no_concurrency_is_reserved() -> None:
    for parameters in (DEFAULTS, EMULATOR):
        functions = template.deployed(parameters)
        assert not [
            name for name in functions if "ReservedConcurrentExecutions" in functions[name].get("Properties", {})
        ]


@pytest.mark.parametrize(
    ("layer", "folder", "makefile"),
    [
        ("DependenciesLayer", "layers/dependencies", {"ContextPath": "layers/dependencies/x86_64"}),
        ("BatonLayer", "layers/baton", {}),
    ],
)
def test_each_layer_is_built_for_the_runtime_and_the_architecture_of_the_functions(
    layer: str, folder: str, makefile: dict[str, str]
) -> None:
    resource = template.deployed(CHANGED)[layer]
    properties = {name: value for name, value in resource["Properties"].items() if name != "Description"}
    assert resource["Metadata"] == {"BuildMethod": "makefile", "BuildArchitecture": "x86_64"} | makefile
    assert properties == {
        "ContentUri": folder,
        "CompatibleRuntimes": ["python3.13"],
        "CompatibleArchitectures": ["x86_64"],
        "RetentionPolicy": "Delete",
        "LayerName": f"STACK-{folder.removeprefix('layers/')}",
        "PublishLambdaVersion": True,
    }


def test_the_state_machine_has_exactly_these_properties() -> None:
    resource = template.deployed(DEFAULTS)["StateMachine"]
    assert {name: value for name, value in resource["Properties"].items() if name != "Policies"} == {
        "DefinitionUri": "functions/workflow.asl.json",
        "DefinitionSubstitutions": {
            "Partition": "PARTITION",
            "RunsTable": "RunsTable",
            "ExecutePayloadFunctionArn": "ExecutePayloadFunction.Version",
        },
        "Logging": {
            "Level": "ALL",
            "IncludeExecutionData": False,
            "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": "StateMachineLogs.Arn"}}],
        },
        "Tracing": {"Enabled": True},
    }
