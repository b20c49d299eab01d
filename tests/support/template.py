"""The real template.yaml as data, so that tests use what is deployed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

type Parameters = Mapping[str, str]
"""Values of the template's parameters; those not given have their defaults."""

DEFAULTS: Parameters = {}
"""No parameter given: each has its default."""

EMULATOR: Parameters = {"EmulatorHost": "localhost:4566"}
"""The parameter that makes a deployment one on the emulator."""

CHANGED: Parameters = {
    "Architecture": "x86_64",
    "LogLevel": "WARN",
    "LogRetentionDays": "7",
    "RunRetentionDays": "45",
    "AllowedOrigins": "https://a.example,https://b.example",
    "RequestRateLimit": "11",
    "RequestBurstLimit": "22",
    "AlarmTopicArn": "arn:of:a:topic",
    "FailedRunsAlarmPercent": "33",
    "AllowedLlmHosts": "api.example,*.b.example",
    "MaxParallelPayloads": "7",
    "ExecutePayloadMemory": "1024",
}
"""Values that differ from the defaults and from each other: a value that is not from its parameter is noticed."""

PSEUDO_PARAMETERS = {
    "AWS::AccountId": "ACCOUNT",
    "AWS::Partition": "PARTITION",
    "AWS::Region": "REGION",
    "AWS::StackId": "arn:of:a:stack/STACK/ID",
    "AWS::StackName": "STACK",
    "AWS::URLSuffix": "SUFFIX",
}
ATTRIBUTES = ("Alias", "Arn", "Name", "QueueName", "StreamArn", "Version")
"""Of resources, as far as the template uses them. SAM replaces references to a function's ``Alias`` or ``Version``."""

NO_VALUE = object()
"""``AWS::NoValue``: the property or entry does not exist."""


class CloudFormationLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: ``!Ref x`` is read as ``{"Ref": "x"}``, others as ``{"Fn::…": …}``."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    match node:
        case yaml.MappingNode():
            return {name: loader.construct_mapping(node, deep=True)}
        case yaml.SequenceNode():
            return {name: loader.construct_sequence(node, deep=True)}
        case _:
            assert isinstance(node, yaml.ScalarNode)
            text = str(loader.construct_scalar(node))
            return {name: text.split(".", 1) if suffix == "GetAtt" else text}


CloudFormationLoader.add_multi_constructor("!", _intrinsic)


@cache
def template() -> dict[str, Any]:
    """The whole template; treat it as read-only."""
    return dict(yaml.load((ROOT / "template.yaml").read_text(), Loader=CloudFormationLoader))  # noqa: S506 - a SafeLoader


def resources(type_: str) -> dict[str, dict[str, Any]]:
    """The properties of every resource of a type, by logical id."""
    found = {name: resource for name, resource in template()["Resources"].items() if resource["Type"] == type_}
    return {name: resource.get("Properties", {}) for name, resource in found.items()}


def resolve(value: Any, known: Mapping[str, str], parameters: Parameters = DEFAULTS) -> Any:
    """A value with all intrinsic functions replaced, as CloudFormation does it at deployment.

    ``known`` has the values of logical ids, ``Id.Attribute`` and ``AWS::…``. ``parameters`` not given have their
    defaults. An unknown name is a KeyError.
    """
    given = parameter_values(parameters)
    return _resolved(value, Names({**known, **given}, conditions(parameters)))


def parameter_values(parameters: Parameters) -> dict[str, Any]:
    """The value of each parameter: text, or a list for a list type.

    A value that CloudFormation would reject is an assertion error.
    """
    declared: dict[str, dict[str, Any]] = template()["Parameters"]
    assert parameters.keys() <= declared.keys(), parameters
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        value = str(parameters.get(name, parameter["Default"]))
        assert value in [str(allowed) for allowed in parameter.get("AllowedValues", [value])], (name, value)
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value), (name, value)
        values[name] = value.split(",") if parameter["Type"] == "CommaDelimitedList" else value
    return values


def conditions(parameters: Parameters = DEFAULTS) -> dict[str, bool]:
    """Whether each condition of the template is true for these parameters."""
    names = Names(parameter_values(parameters), {})
    for name, condition in template()["Conditions"].items():  # each refers to earlier ones only
        names.conditions[name] = _is_true(condition, names)
    return names.conditions


def deployed(parameters: Parameters = DEFAULTS) -> dict[str, dict[str, Any]]:
    """Every resource that a deployment with these parameters has, by logical id, with readable names; read-only.

    ``Ref`` is the logical id, ``GetAtt`` is ``Id.Attribute``, and AWS' pseudo parameters are words in capitals. A
    reference to a resource that is not deployed is a KeyError. Functions include the properties of ``Globals``.
    """
    return _deployed(tuple(sorted(parameters.items())))


@cache
def _deployed(items: tuple[tuple[str, str], ...]) -> dict[str, dict[str, Any]]:
    parameters = dict(items)
    present = conditions(parameters)
    there = {
        name: resource
        for name, resource in template()["Resources"].items()
        if "Condition" not in resource or present[resource["Condition"]]
    }
    known = {**PSEUDO_PARAMETERS, **_readable(there)}
    names = Names({**known, **parameter_values(parameters)}, present)
    return {name: _resolved(_without_condition(_with_globals(resource)), names) for name, resource in there.items()}


def outputs(parameters: Parameters = DEFAULTS) -> dict[str, str]:
    """The value of each output, with readable names as in :func:`deployed`."""
    known = {**PSEUDO_PARAMETERS, **_readable(template()["Resources"])}
    return {name: resolve(output["Value"], known, parameters) for name, output in template()["Outputs"].items()}


def environment(function: str, known: Mapping[str, str], parameters: Parameters = DEFAULTS) -> dict[str, str]:
    """The environment variables of a function, named by its folder, from the template: its own and ``Globals``."""
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    own = function_properties(function).get("Environment", {}).get("Variables", {})
    return {name: str(value) for name, value in resolve({**shared, **own}, known, parameters).items()}


def function_properties(function: str) -> dict[str, Any]:
    """The properties of the function whose code is in ``functions/<function>``."""
    functions = resources("AWS::Serverless::Function").values()
    return next(properties for properties in functions if properties["CodeUri"] == f"functions/{function}")


def function_names() -> list[str]:
    """Every function of the template, by its folder."""
    return [
        properties["CodeUri"].removeprefix("functions/")
        for properties in resources("AWS::Serverless::Function").values()
    ]


@dataclass(frozen=True)
class Names:
    """What intrinsic functions refer to."""

    values: Mapping[str, Any]
    conditions: dict[str, bool]


def _readable(there: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Each reference to one of these resources in the template, as its own text. SAM creates each function's role."""
    ids = [*there, *(f"{name}Role" for name, each in there.items() if each["Type"] == "AWS::Serverless::Function")]
    attributes = {f"{name}.{attribute}" for name in ids for attribute in ATTRIBUTES}
    return {name: name for name in (*ids, *attributes)}


def _without_condition(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "Condition"}


def _with_globals(resource: dict[str, Any]) -> dict[str, Any]:
    if resource["Type"] != "AWS::Serverless::Function":
        return resource
    return {**resource, "Properties": _merged(template()["Globals"]["Function"], resource["Properties"])}


def _merged(shared: Any, own: Any) -> Any:
    """As SAM merges ``Globals`` into a resource: dicts key by key, lists one after the other, own scalars replace.

    Source: https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html
    """
    if isinstance(shared, dict) and isinstance(own, dict) and not _is_intrinsic(own):
        both = {name: _merged(shared[name], own[name]) for name in shared.keys() & own.keys()}
        return {**shared, **own, **both}
    if isinstance(shared, list) and isinstance(own, list):
        return [*shared, *own]
    return own


def _is_intrinsic(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def _is_true(condition: Any, names: Names) -> bool:
    match condition:
        case {"Condition": name}:
            return names.conditions[name]
        case {"Fn::Equals": [first, second]}:
            return bool(_resolved(first, names) == _resolved(second, names))
        case {"Fn::Not": [inner]}:
            return not _is_true(inner, names)
        case {"Fn::And": several}:
            return all(_is_true(inner, names) for inner in several)
        case {"Fn::Or": several}:
            return any(_is_true(inner, names) for inner in several)
        case _:
            raise AssertionError(condition)


def _resolved(value: Any, names: Names) -> Any:
    if isinstance(value, list):
        entries = [_resolved(entry, names) for entry in value]
        return [entry for entry in entries if entry is not NO_VALUE]
    if not isinstance(value, dict):
        return value
    if _is_intrinsic(value):
        ((function, argument),) = value.items()
        return _result(function, argument, names)
    properties = {name: _resolved(entry, names) for name, entry in value.items()}
    return {name: entry for name, entry in properties.items() if entry is not NO_VALUE}


def _result(function: str, argument: Any, names: Names) -> Any:
    match function, argument:
        case "Ref", "AWS::NoValue":
            return NO_VALUE
        case "Ref", name:
            return names.values[name]
        case "Fn::GetAtt", [resource, attribute]:
            return names.values[f"{resource}.{attribute}"]
        case "Fn::If", [condition, then, otherwise]:
            return _resolved(then if names.conditions[condition] else otherwise, names)
        case _:
            return _text(function, argument, names)


def _text(function: str, argument: Any, names: Names) -> Any:
    """The result of a function of texts."""
    match function, argument:
        case "Fn::Sub", [text, own]:
            return _text("Fn::Sub", text, Names({**names.values, **_resolved(own, names)}, names.conditions))
        case "Fn::Sub", text:
            return re.sub(r"\$\{([^}]+)\}", lambda match: _replacement(match[1], names), text)
        case "Fn::Join", [separator, entries]:
            return separator.join(_resolved(entries, names))
        case "Fn::Split", [separator, text]:
            return _resolved(text, names).split(separator)
        case "Fn::Select", [index, entries]:
            return _resolved(entries, names)[index]
        case _:
            raise AssertionError((function, argument))


def _replacement(name: str, names: Names) -> Any:
    """What ``${name}`` becomes; ``${!name}`` becomes the text ``${name}``."""
    return f"${{{name[1:]}}}" if name.startswith("!") else names.values[name]
