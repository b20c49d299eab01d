"""JSON Schemas for answers: their validation, and the instruction for models.

jsonschema is imported only when there is a schema: it would double the cold start of the payload function. Schemas have
a maximum size, since they are checked within an HTTP request, and no reference is ever fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from baton.domain.llm.settings import ResponseFormat

type Schema = Mapping[str, Any]

MAX_BYTES = 30_000
MAX_DEPTH = 50
MAX_ENTRIES = 1_000
"""Of one list or object: jsonschema compares each entry of some lists with each other entry."""

MAX_QUOTED_CHARACTERS = 200
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

PLAIN_KEYWORDS = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "title",
        "description",
    }
)
"""Keywords that every provider's own structured output supports. Most others are rejected by some provider."""

JSON_ONLY = "Answer with JSON and nothing else."


def schema_error(schema: Schema) -> str | None:
    """Why the schema is invalid, as a phrase to follow its field's name; ``None`` for a valid one."""
    return _size_error(schema) or _syntax_error(schema) or _reference_error(schema)


def is_plain(schema: object) -> bool:
    """Whether it is an object's schema with keywords that every provider's structured output supports."""
    return isinstance(schema, Mapping) and schema.get("type") == "object" and all(map(_is_plain, _with_inner(schema)))


def is_strict(schema: Schema) -> bool:
    """Whether it meets OpenAI's conditions for ``strict``: no open object, no optional property."""
    return is_plain(schema) and all(
        inner.get("additionalProperties") is False
        and set(inner.get("required", ())) == set(inner.get("properties", {}))
        for inner in _with_inner(schema)
        if inner.get("type") == "object"
    )


def closed(schema: Schema) -> dict[str, Any]:
    """The plain schema with objects that allow no other properties, as Anthropic demands. A value that is valid for it
    is valid for the schema."""
    copy = dict(schema)
    if "properties" in copy:
        copy["properties"] = {name: closed(inner) for name, inner in copy["properties"].items()}
    if "items" in copy:
        copy["items"] = closed(copy["items"])
    if "anyOf" in copy:
        copy["anyOf"] = [closed(inner) for inner in copy["anyOf"]]
    return copy | {"additionalProperties": False} if copy.get("type") == "object" else copy


def instruction(response_format: ResponseFormat) -> str:
    """The prompt text for a model whose API can't enforce the format."""
    if not isinstance(response_format, Mapping):
        return JSON_ONLY
    written = json.dumps(response_format, ensure_ascii=False)
    return f"Answer with JSON that follows this JSON Schema, and with nothing else:\n{written}"


def shortened(text: str) -> str:
    """The text, cut to a length that fits into an error."""
    return text if len(text) <= MAX_QUOTED_CHARACTERS else text[: MAX_QUOTED_CHARACTERS - 1] + "…"


def _size_error(schema: Schema) -> str | None:
    for value, depth in _values(schema):
        if depth > MAX_DEPTH:
            return f"is nested more than {MAX_DEPTH} deep"
        if isinstance(value, Mapping | list) and len(value) > MAX_ENTRIES:
            return f"has a list or an object of more than {MAX_ENTRIES:,} entries"
    try:
        size = len(json.dumps(schema, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))
    except ValueError:
        return "has a number that JSON doesn't support"
    return f"is a JSON Schema of {size:,} bytes; at most {MAX_BYTES:,} are allowed" if size > MAX_BYTES else None


def _reference_error(schema: Schema) -> str | None:
    from referencing import Registry, exceptions  # noqa: PLC0415 - see the top of this file
    from referencing.jsonschema import DRAFT202012, specification_with  # noqa: PLC0415

    dialect = specification_with(schema.get("$schema", ""), default=DRAFT202012)
    try:
        resolver = Registry().with_resource("", dialect.create_resource({**schema, "$id": ""})).crawl().resolver()
    except (AttributeError, TypeError, ValueError):
        return "has a part that is invalid for the JSON Schema version in its $schema"
    for target in _targets(schema):
        try:
            if target.startswith("#"):
                resolver.lookup(target)
                continue
        except exceptions.Unresolvable:
            pass
        return f"its reference {shortened(target)!r} does not resolve within the schema; remote $refs are not supported"
    return None


def _targets(schema: Schema) -> Iterator[str]:
    objects = (value for value, _ in _values(schema) if isinstance(value, Mapping))
    for found in (value[name] for value in objects for name in REFERENCES if name in value):
        if isinstance(found, str):
            yield found


def _syntax_error(schema: Schema) -> str | None:
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - see the top of this file
    from jsonschema.validators import validator_for  # noqa: PLC0415

    try:
        validator_for(schema, default=Draft202012Validator).check_schema(dict(schema))
    except SchemaError as error:
        return f"is no JSON Schema: at {error.json_path} {shortened(error.message)}"
    except (AttributeError, TypeError, ValueError):
        return "is no JSON Schema: its $schema can't be read"
    except (RecursionError, OverflowError):
        return "is no JSON Schema: it has a pattern that can't be read"
    return None


def _values(schema: Schema) -> Iterator[tuple[object, int]]:
    """Every value in the schema, itself included, with its depth."""
    waiting: list[tuple[object, int]] = [(schema, 1)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        if isinstance(value, Mapping):
            waiting += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in value]


def _with_inner(schema: Schema) -> Iterator[Schema]:
    """The schema and its subschemas, in the places where plain schemas have some."""
    yield schema
    items = [schema["items"]] if "items" in schema else []
    for inner in [*schema.get("properties", {}).values(), *items, *schema.get("anyOf", ())]:
        if isinstance(inner, Mapping):
            yield from _with_inner(inner)


def _is_plain(schema: Schema) -> bool:
    return (
        schema.keys() <= PLAIN_KEYWORDS
        and isinstance(schema.get("type", ""), str)
        and schema.get("additionalProperties", False) is False
        and all(isinstance(inner, Mapping) for inner in schema.get("properties", {}).values())
        and isinstance(schema.get("items", {}), Mapping)
        and not any(isinstance(value, dict | list) for value in [*schema.get("enum", ()), schema.get("const")])
        and bool({"type", "enum", "const", "anyOf"} & schema.keys())
    )
