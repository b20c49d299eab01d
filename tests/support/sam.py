"""The resources that the SAM transform makes of the template, as on AWS and on the emulator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

from tests.support import template

LOCAL_FOLDERS = ("CodeUri", "ContentUri", "DefinitionUri")


def transformed(
    change: Callable[[dict[str, Any]], object] | None = None, **parameters: str
) -> dict[str, dict[str, Any]]:
    """By logical id; folders of the repository are replaced by keys of a bucket, as by ``sam deploy``.

    ``change`` changes the resources of the template before the transform.
    """
    made = copy.deepcopy(template.template())
    for resource in made["Resources"].values():
        properties = resource.get("Properties", {})
        properties |= {name: f"s3://bucket/{properties[name]}" for name in LOCAL_FOLDERS if name in properties}
    if change is not None:
        change(made["Resources"])
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        resources: dict[str, dict[str, Any]] = transform(made, parameters, SimpleNamespace(load=dict))["Resources"]
    return resources
