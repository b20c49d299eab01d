"""The real template.yaml as data, so that tests use what is deployed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


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


def resolve(value: Any, known: Mapping[str, str]) -> Any:
    """A value with Ref, GetAtt, Sub and If replaced, as on AWS.

    ``known`` has logical ids, ``Id.Attribute`` and ``AWS::…``; parameters have their defaults; every condition that
    isn't ``OnAws`` is false. An unknown name is a KeyError.
    """
    names = {
        name: str(parameter["Default"])
        for name, parameter in template()["Parameters"].items()
        if "Default" in parameter
    }
    return _resolved(value, names | dict(known))


def environment(function: str, known: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of a function, named by its folder, from the template: its own and ``Globals``."""
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    own = function_properties(function).get("Environment", {}).get("Variables", {})
    return {name: str(value) for name, value in resolve({**shared, **own}, known).items()}


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


def _resolved(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_resolved(entry, names) for entry in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": name}:
            found: Any = names[name]
        case {"Fn::GetAtt": [resource, attribute]}:
            found = names[f"{resource}.{attribute}"]
        case {"Fn::Sub": text}:
            found = re.sub(r"\$\{([^}]+)\}", lambda match: names[match[1]], text)
        case {"Fn::If": [condition, then, otherwise]}:
            found = _resolved(then if condition == "OnAws" else otherwise, names)
        case _:
            found = {name: _resolved(entry, names) for name, entry in value.items()}
    return found
