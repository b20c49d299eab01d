"""A JSON Schema is checked before it is saved or sent, in bounded time and without network access."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.adapters.llm.formats import schemas


def nested(depth: int, inner: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth - 1):
        schema = inner(schema)
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a+$"}}, "required": ["a"]},
        {"$defs": {"a": {"type": "string"}}, "items": {"$ref": "#/$defs/a"}},
        {"$defs": {"a": {"$anchor": "there"}}, "$ref": "#there"},
        {"$id": "https://a.example/s", "$defs": {"a": {"$anchor": "there"}}, "$ref": "#there"},
        {"properties": {"children": {"type": "array", "items": {"$ref": "#"}}}},
        {"properties": {"$ref": {"type": "string"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]},
        {"$schema": "https://unknown.example/schema", "type": "string"},
        {"x-ours": "unknown keywords are let be"},
        nested(schemas.MAX_DEPTH, lambda inner: {"items": inner}),
        {"properties": {f"p{number}": {} for number in range(schemas.MAX_ENTRIES)}},
    ],
)
def test_a_valid_schema_has_no_error(schema: dict[str, Any]) -> None:
    assert schemas.schema_error(schema) is None


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "text"}, r"is no JSON Schema: at \$.type"),
        ({"properties": {"a": {"required": True}}}, r"at \$.properties.a.required"),
        ({"properties": []}, r"at \$.properties"),
        ({"pattern": "("}, r"at \$.pattern"),
        ({"pattern": "a{99999999999999}"}, "a pattern that can't be read"),
        ({"pattern": "(" * 5000 + ")" * 5000}, "a pattern that can't be read"),
        ({"$schema": 5}, r"its \$schema can't be read"),
        ({"$schema": "http://[::1"}, r"its \$schema can't be read"),
        ({"$ref": "http://127.0.0.1:9/schema"}, "does not resolve within the schema; remote \\$refs are not supported"),
        ({"items": {"$ref": "file:///etc/passwd"}}, r"remote \$refs are not supported"),
        ({"items": {"$dynamicRef": "other.json#a"}}, r"remote \$refs are not supported"),
        ({"items": {"$ref": "#/$defs/a"}}, "'#/\\$defs/a' does not resolve within"),
        ({"items": {"$ref": "#nowhere"}}, "'#nowhere' does not resolve within"),
        ({"minimum": float("inf")}, "a number that JSON doesn't support"),
        (nested(schemas.MAX_DEPTH + 1, lambda inner: {"items": inner}), "more than 50 deep"),
        (nested(100_000, lambda inner: {"items": inner}), "more than 50 deep"),
        ({"enum": list(range(schemas.MAX_ENTRIES + 1))}, "more than 1,000 entries"),
        ({"description": "é" * schemas.MAX_BYTES}, "60,0.. bytes; at most 30,000"),
    ],
)
def test_an_invalid_schema_is_rejected_with_a_reason(schema: dict[str, Any], named: str) -> None:
    found = schemas.schema_error(schema)
    assert found is not None
    assert re.search(named, found), found
    assert len(found) < 500


def test_the_largest_schema_is_checked_quickly() -> None:
    began = time.monotonic()
    mixed = [number if number % 2 else str(number) for number in range(schemas.MAX_ENTRIES)]
    draft_4 = "http://json-schema.org/draft-04/schema#"
    schemas.schema_error({"$schema": draft_4, "anyOf": [{"enum": mixed}, {"enum": mixed}, {"enum": mixed}]})
    schemas.schema_error({"$defs": {"a": {"$anchor": "a"}}, "anyOf": [{"$ref": "#a"}] * 900})
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(99)}
    schemas.schema_error({"$ref": "#/$defs/d0", "$defs": {**doubling, "d99": {}}})
    assert time.monotonic() - began < 10


keywords = st.sampled_from(
    [
        "$schema",
        "$id",
        "$anchor",
        "$ref",
        "$defs",
        "type",
        "properties",
        "items",
        "anyOf",
        "required",
        "pattern",
        "enum",
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | keywords, inner, max_size=3),
    max_leaves=9,
)


@given(schema=st.dictionaries(keywords, json_values, max_size=4))
def test_any_object_is_a_schema_or_has_an_error(schema: dict[str, Any]) -> None:
    if schemas.schema_error(schema) is None:
        plain = schemas.is_plain(schema)
        assert plain or not schemas.is_strict(schema)
        if plain:
            assert schemas.closed(schema)["additionalProperties"] is False
