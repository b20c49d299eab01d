"""Errors of a body or file are in plain words, and name a field that exists in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from baton.api.bodies.blocks import BlockRequest
from baton.api.bodies.llm_instances import LlmInstanceRequest
from baton.api.bodies.payloads import PayloadRequest
from baton.api.bodies.preflight import PreflightRequest
from baton.api.bodies.runs import ExecuteRequest
from baton.api.bodies.workflow_files import FileModel
from baton.api.bodies.workflows import WorkflowRequest
from baton.api.problems import invalid_request
from baton.api.validation import UNKNOWN_ERROR, field_errors
from tests.support.json_values import JsonPath, paths, put, value_at, without

PYDANTIC = re.compile(
    r"Input should|valid (dictionary|integer|string|number|list|boolean)|constrained|literal|\[key\]|_type|instance of"
    r"|Extra inputs|Field required|pattern|Inline|function-|union|validation|String should|json-or-python|dict\[|list\["
    r"|[<>]|\bint\b|\bstr\b|\bfloat\b|\bbool\b|\bNone\b|Value error|" + UNKNOWN_ERROR
)
SETTINGS: dict[str, Any] = {
    "system": "s",
    "temperature": 1,
    "top_p": 1,
    "max_tokens": 1,
    "stop": ["x"],
    "seed": 1,
    "response_format": "json",
    "model": "m",
    "timeout_seconds": 1,
    "stream": True,
    "options": {"a": {"b": 1}},
}
BODIES: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (BlockRequest, {"title": "t", "content": "c", "tags": ["a"], "folder_path": "/"}),
    (PayloadRequest, {"name": "p", "blocks": [1, {"id": 2}, {"content": "c"}], "llm_instance": 1, **SETTINGS}),
    (WorkflowRequest, {"name": "w", "payloads": [1, {"id": 1, "name": "p"}]}),
    (
        LlmInstanceRequest,
        {
            "name": "i",
            "provider": "openai",
            "base_url": "https://x.test",
            "model": "m",
            "defaults": SETTINGS,
            "timeout_seconds": 1,
            "price": {"prompt": 1, "completion": 1},
            "api_key": "k",
            "api_key_header": "api-key",
            "limits": {"max_concurrency": 1, "requests_per_minute": 1, "tokens_per_minute": 1},
            "fallback": 1,
        },
    ),
    (ExecuteRequest, {"variables": {"a": 1}, "on_missing": "keep"}),
    (PreflightRequest, {"variables": {"a": 1}}),
    (
        FileModel,
        {
            "$schema": "x",
            "workflow": {"name": "w", "payloads": ["p"]},
            "payloads": [{"name": "p", "blocks": ["b", {"content": "c"}], "llm_instance": "i", **SETTINGS}],
            "blocks": [{"title": "b", "content": "c", "tags": ["t"], "folder_path": "/"}],
        },
    ),
]
WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "1",
    "a {b}",
    "x" * 500_000,
    [],
    [None],
    [True],
    [[]],
    [{}],
    [1.5],
    ["x"] * 300,
    {},
    {"": 1},
    {"": {}},
    {"a{": {}},
    {"[key]": 1},
    {"a.b": 1},
    {"id": None},
    {"id": "x", "int": 1},
    {"content": 1, "inline": 2},
    {"Inline": {"content": 1}},
]


def exists_in(path: JsonPath, value: Any) -> bool:
    for part in path:
        has_content = part in value if isinstance(value, dict) else isinstance(part, int) and part < len(value)
        if not has_content:
            return False
        value = value[part]
    return True


def assert_plain(model: type[BaseModel], body: Any) -> None:
    """Assert that each error of the body has plain words and an existing field; valid bodies pass."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    else:
        return
    found = field_errors(errors, body)
    assert found
    for entry in found:
        assert not PYDANTIC.search(entry.detail), entry
        is_missing = entry.detail == "is missing"
        assert exists_in(entry.path[:-1] if is_missing else entry.path, body), entry


@pytest.mark.parametrize(("model", "body"), BODIES)
def test_each_invalid_value_of_each_field_is_described_in_plain_words(
    model: type[BaseModel], body: dict[str, Any]
) -> None:
    model.model_validate(body)
    for path in paths(body):
        for value in WRONG:
            assert_plain(model, put(body, path, value))
        if path:
            assert_plain(model, without(body, path))
        assert_plain(model, put(body, (*path, "odd"), 1) if isinstance(value_at(body, path), dict) else body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["id", "content", "name", "int"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_value_of_any_field_is_described_in_plain_words(data: st.DataObject) -> None:
    model, body = data.draw(st.sampled_from(BODIES))
    path = data.draw(st.sampled_from(list(paths(body))))
    assert_plain(model, put(body, path, data.draw(anything)))


@pytest.mark.parametrize(
    ("model", "body", "expected"),
    [
        (ExecuteRequest, {"variables": {"": 1}}, 'variables."": its name should have at least 1 character.'),
        (ExecuteRequest, {"variables": {"": {}}}, 'variables."": its name should have at least 1 character.'),
        (ExecuteRequest, {"variables": {"a{b": 1}}, 'variables."a{b": its name should have neither { nor }.'),
        (
            ExecuteRequest,
            {"variables": {"a\0b": 1}},
            (
                'variables."a\\u0000b": its name contains a control character (U+0000), '
                "which is not allowed in a name; remove it."
            ),
        ),
        (ExecuteRequest, {"variables": [1]}, "variables: should be an object."),
        (ExecuteRequest, {"on_missing": "x"}, "on_missing: should be 'keep', 'empty' or 'fail'."),
        (PayloadRequest, {"name": "p", "blocks": [1.5], "llm_instance": 1}, "blocks[0]: should be a whole number."),
        (PayloadRequest, {"name": "p", "blocks": ["1"], "llm_instance": 1}, "blocks[0]: should be a whole number."),
        (PayloadRequest, {"name": "p", "blocks": [{}], "llm_instance": 1}, "blocks[0].content: is missing."),
        (
            PayloadRequest,
            {"name": "p", "blocks": [{"content": 1}], "llm_instance": 1},
            "blocks[0].content: should be text: put it in quotes.",
        ),
        (PayloadRequest, {"name": "p", "blocks": [1], "llm_instance": 1, "stop": 5}, "stop: should be a list."),
        (
            PayloadRequest,
            {"name": "p", "blocks": [0], "llm_instance": 1},
            "blocks[0]: should be greater than or equal to 1.",
        ),
        (WorkflowRequest, {"name": "w", "payloads": 1}, "payloads: should be a list."),
        (WorkflowRequest, {}, "name: is missing."),
        (WorkflowRequest, {"name": "w", "a b": 1}, '"a b": is an unknown field.'),
        (WorkflowRequest, "w", "body: should be an object."),
    ],
)
def test_an_error_names_the_field_as_in_the_request(model: type[BaseModel], body: Any, expected: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(body)
    errors = [{**entry, "loc": ("body", *entry["loc"])} for entry in refused.value.errors(include_url=False)]
    assert json.loads(invalid_request(errors, body).body or "")["detail"] == expected
