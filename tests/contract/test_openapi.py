"""The OpenAPI document: it matches the handlers, is valid OpenAPI, and its examples match their schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from jsonschema import Draft202012Validator

from baton.api.openapi import page
from baton.api.problems import PROBLEM_JSON
from local import openapi, openapi_problems

type Json = dict[str, Any]

DOCUMENT: Json = json.loads(openapi.DOCUMENT.read_text())


@dataclass(frozen=True)
class Call:
    """An operation of the document, with its path and method."""

    path: str
    method: str
    operation: Json


CALLS = [Call(*found) for found in openapi.operations(DOCUMENT)]
every_call = pytest.mark.parametrize("call", CALLS, ids=[call.operation["operationId"] for call in CALLS])


def test_the_document_matches_the_handlers() -> None:
    assert openapi.DOCUMENT.read_text() == openapi.text(), "The HTTP handlers have changed: run `make openapi`."


def test_the_document_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_the_document_works_below_a_path_prefix() -> None:
    """On the emulator the path of the API starts with /_aws/execute-api/baton-http."""
    assert [server["url"] for server in DOCUMENT["servers"]] == ["."]


def test_every_operation_has_a_unique_id() -> None:
    names = [call.operation["operationId"] for call in CALLS]
    assert len(set(names)) == len(names)


@every_call
def test_an_operation_has_a_summary_a_description_and_known_tags(call: Call) -> None:
    assert call.operation["summary"]
    assert call.operation["description"].endswith(".")
    assert set(call.operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}


@every_call
def test_an_operation_has_the_success_status_of_its_method(call: Call) -> None:
    """Powertools uses 200 where a handler declares no status."""
    (success,) = [status for status in call.operation["responses"] if status.startswith("2")]
    answer = call.operation["responses"][success]
    if call.method == "post" and "get" in DOCUMENT["paths"][call.path]:
        assert (success, set(answer["headers"])) == ("201", {"Location", "ETag"})
    elif call.method == "delete":
        assert (success, answer["content"]) == ("204", {})
    else:
        assert success in ("200", "202")


@every_call
def test_an_example_matches_its_schema(call: Call) -> None:
    shown = list(examples(call.operation))
    assert shown
    for schema, example in shown:
        validator(schema).validate(example)


@every_call
def test_an_operation_that_changes_a_definition_accepts_if_match(call: Call) -> None:
    headers = [each["name"] for each in call.operation.get("parameters", []) if each["in"] == "header"]
    assert headers == (["If-Match"] if "412" in call.operation["responses"] and "{" in call.path else [])


def test_every_problem_type_is_documented() -> None:
    answers = [answer for call in CALLS for answer in call.operation["responses"].values()]
    answers += DOCUMENT["components"]["responses"].values()
    found = {slug for answer in answers for slug in openapi_problems.slugs(answer)}
    assert found == {kind.slug for kind in openapi_problems.every_kind()}


def test_the_page_loads_only_its_own_files() -> None:
    html = str(page.page().body)
    linked = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert [address for address in linked if address.startswith(("/", "http"))] == []
    own = [address.removeprefix("docs/") for address in linked if address.startswith("docs/")]
    assert sorted(own) == sorted(page.ASSETS)
    assert all(page.asset(name).body for name in own)


def examples(operation: Json) -> Iterator[tuple[Json, Any]]:
    """Every body that the document shows, with its schema."""
    for described in (operation.get("requestBody", {}), *operation["responses"].values()):
        resolved = (
            DOCUMENT["components"]["responses"][described["$ref"].rpartition("/")[2]]
            if "$ref" in described
            else described
        )
        for media_type, content in resolved.get("content", {}).items():
            if media_type == PROBLEM_JSON:
                yield from ((content["schema"], example["value"]) for example in content["examples"].values())
            else:
                yield content["schema"], content["example"]


def validator(schema: Json) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})
