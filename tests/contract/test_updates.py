"""An update changes a function, its callers and the state machine together, and can be undone.

docs/decisions/0031-an-execution-calls-one-version-of-its-function.md has the reasons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import template
from tests.support.sam import transformed

FUNCTIONS = sorted(template.resources("AWS::Serverless::Function"))
CALLED_BY_ALIAS = [name for name in FUNCTIONS if name != "ExecutePayloadFunction"]
ERROR_ALARMS = {name: f"{name.removesuffix('Function')}ErrorsAlarm" for name in FUNCTIONS}
MAX_DESCRIPTION = 256
"""Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-version.html"""

NOT_IN_A_VERSION = ("Policies", "ReservedConcurrentExecutions", "VersionDescription", "DeploymentPreference")
"""Properties that are not a part of the configuration of a published version."""

type Resources = dict[str, dict[str, Any]]


def versions(resources: Resources) -> set[str]:
    return {name for name, resource in resources.items() if resource["Type"] == "AWS::Lambda::Version"}


def names(value: Any) -> Iterator[str]:
    """Everything that a value refers to by ``Ref`` or ``Sub``."""
    match value:
        case {"Ref": name}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{([^}]+)\}", text)
        case {"Fn::Sub": [text, values]}:
            yield from (name for name in re.findall(r"\$\{([^}]+)\}", text) if name not in values)
            yield from names(list(values.values()))
        case dict():
            yield from (name for each in value.values() for name in names(each))
        case list():
            yield from (name for each in value for name in names(each))


def parameters_of(value: Any) -> set[str]:
    return set(names(value)) & set(template.template()["Parameters"])


def configuration(function: str) -> dict[str, Any]:
    """The properties of a function that a version contains, those of ``Globals`` included."""
    shared = template.template()["Globals"]["Function"]
    own = template.resources("AWS::Serverless::Function")[function]
    both = {name: [shared.get(name), own.get(name)] for name in {*shared, *own}}
    return {name: value for name, value in both.items() if name not in NOT_IN_A_VERSION}


def description(function: str) -> Any:
    return template.resources("AWS::Serverless::Function")[function]["VersionDescription"]


def test_the_state_machine_calls_a_version_and_may_call_older_ones() -> None:
    made = transformed()
    (machine,) = (each["Properties"] for each in made.values() if each["Type"] == "AWS::StepFunctions::StateMachine")
    called = machine["DefinitionSubstitutions"]["ExecutePayloadFunctionArn"]["Ref"]
    assert made[called]["Type"] == "AWS::Lambda::Version"
    assert made[called]["Properties"]["FunctionName"] == {"Ref": "ExecutePayloadFunction"}
    assert (made[called]["DeletionPolicy"], made[called]["UpdateReplacePolicy"]) == ("Retain", "Retain")
    (policy,) = template.resources("AWS::Serverless::StateMachine")["StateMachine"]["Policies"]
    (statement,) = [each for each in policy["Statement"] if each["Sid"] == "ExecutePayloads"]
    assert statement["Resource"] == {"Fn::Sub": "${ExecutePayloadFunction.Arn}:*"}


def test_the_apis_and_the_stream_call_the_alias() -> None:
    """Nothing calls the unpublished version, which changes while an update is still in progress."""
    made = transformed()
    aliases = {name: made[f"{name}Aliaslive"] for name in FUNCTIONS}
    assert {each["Type"] for each in aliases.values()} == {"AWS::Lambda::Alias"}
    used = {
        name
        for resource in made.values()
        if resource["Type"]
        in ("AWS::ApiGatewayV2::Integration", "AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping")
        for name in names(resource["Properties"])
        if name.startswith(tuple(FUNCTIONS))
    }
    assert used == {f"{name}Aliaslive" for name in CALLED_BY_ALIAS}


def set_property(name: str, resource: str, value: Any) -> Callable[[Resources], None]:
    def change(resources: Resources) -> None:
        resources[resource]["Properties"][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "published"),
    [
        (set_property("ContentUri", "BatonLayer", "s3://bucket/other"), FUNCTIONS),
        (set_property("ContentUri", "DependenciesLayer", "s3://bucket/other"), FUNCTIONS),
        (set_property("CodeUri", "RunsApiFunction", "s3://bucket/other"), ["RunsApiFunction"]),
        (set_property("MemorySize", "ExecutePayloadFunction", 1024), ["ExecutePayloadFunction"]),
    ],
    ids=["package", "dependencies", "code", "setting"],
)
def test_a_changed_function_is_published_as_a_new_version(
    change: Callable[[Resources], None], published: list[str]
) -> None:
    new = versions(transformed(change)) - versions(transformed())
    assert {re.sub(r"Version\w{10}$", "", name) for name in new} == set(published)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_description_of_a_version_contains_exactly_the_parameters_of_its_function(function: str) -> None:
    """SAM does not publish a version when only a parameter changes, but CloudFormation replaces one whose description
    changes. A parameter that does not change the function must be left out: Lambda then has no new version to publish,
    and the update fails."""
    assert parameters_of(description(function)) == parameters_of(configuration(function))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_longest_description_of_a_version_is_accepted(function: str) -> None:
    longest = {
        name: "x" * parameter["MaxLength"]
        if "MaxLength" in parameter
        else max(map(str, parameter.get("AllowedValues", [parameter.get("MaxValue", "localhost:65535")])), key=len)
        for name, parameter in template.template()["Parameters"].items()
    }
    match description(function)["Fn::Sub"]:
        case [text, values]:
            text = re.sub(r"\$\{Hosts\}", longest["AllowedLlmHosts"], text)
            assert set(values) == {"Hosts"}
        case str(text):
            pass
    described = re.sub(r"\$\{(\w+)\}", lambda match: longest[match[1]], text)
    assert len(described) <= MAX_DESCRIPTION


def test_calls_shift_gradually_only_with_the_parameter() -> None:
    """The emulator has no CodeDeploy."""
    at_once, gradually = transformed(), transformed(ShiftTrafficGradually="true")
    assert [name for name, each in at_once.items() if "CodeDeploy" in each["Type"] or "UpdatePolicy" in each] == []
    assert [name for name in FUNCTIONS if "UpdatePolicy" in gradually[f"{name}Aliaslive"]] == CALLED_BY_ALIAS


def test_an_alarm_ends_a_gradual_deployment_and_returns_to_the_old_versions() -> None:
    made = transformed(ShiftTrafficGradually="true")
    groups = [each["Properties"] for each in made.values() if each["Type"] == "AWS::CodeDeploy::DeploymentGroup"]
    assert len(groups) == len(CALLED_BY_ALIAS)
    for group in groups:
        assert group["AlarmConfiguration"]["Enabled"]
        alarms = {alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]}
        assert alarms == {*ERROR_ALARMS.values(), "HttpErrorsAlarm"}
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]


def test_the_alarms_of_a_deployment_watch_every_function_and_the_http_api() -> None:
    alarms = template.resources("AWS::CloudWatch::Alarm")
    for function, name in ERROR_ALARMS.items():
        assert (alarms[name]["Namespace"], alarms[name]["MetricName"]) == ("AWS/Lambda", "Errors")
        assert alarms[name]["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": function}}]
    http = alarms["HttpErrorsAlarm"]
    assert (http["Namespace"], http["MetricName"]) == ("AWS/ApiGateway", "5xx")
    assert http["Dimensions"] == [{"Name": "ApiId", "Value": {"Ref": "HttpApi"}}]
    for alarm in (http, *(alarms[name] for name in ERROR_ALARMS.values())):
        assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"], alarm["EvaluationPeriods"]) == (
            "Sum",
            "GreaterThanThreshold",
            0,
            1,
        )


def test_a_stack_can_be_deployed_again_after_it_was_deleted() -> None:
    """What is retained has a generated name, or one with the id of its stack; layers of two stacks differ by name."""
    for properties in template.resources("AWS::DynamoDB::Table").values():
        assert "TableName" not in properties
    for properties in template.resources("AWS::S3::Bucket").values():
        assert "BucketName" not in properties
    groups = template.resources("AWS::Logs::LogGroup")
    for name, properties in groups.items():
        text, values = properties["LogGroupName"]["Fn::Sub"]
        assert text.endswith("/${Id}")
        assert values == {"Id": {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}}
        resource = template.template()["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    for properties in template.resources("AWS::Serverless::LayerVersion").values():
        assert properties["LayerName"]["Fn::Sub"].startswith("${AWS::StackName}-")


@pytest.mark.parametrize("table", ["RunsTable", "CatalogTable"])
def test_a_table_with_users_data_cannot_be_deleted_by_mistake(table: str) -> None:
    """The rollback of a first deployment could not delete a protected table, so it is retained then, too."""
    resource = template.template()["Resources"][table]
    assert resource["Properties"]["DeletionProtectionEnabled"] is True
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_a_resource_with_one_of_the_policies_has_both_except_the_payload_function() -> None:
    """Its UpdateReplacePolicy is for its versions; the linter's check is off for the whole template."""
    resources = template.template()["Resources"]
    one = [name for name, each in resources.items() if ("DeletionPolicy" in each) != ("UpdateReplacePolicy" in each)]
    assert one == ["ExecutePayloadFunction"]
