"""A sample value for a JSON Schema, always the same for the same schema. Only simple schemas are supported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_VALUES = 1_000
MAX_CHARACTERS = 1_000

ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default"}) | {
    "examples",
    "format",
    "deprecated",
    "readOnly",
    "writeOnly",
}
SUPPORTED = ANNOTATIONS | {
    "type",
    "enum",
    "const",
    "anyOf",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
}


class UnsupportedSchema(Exception):
    """No sample can be generated for a part of the schema; ``str()`` names the part."""


def sample(schema: Any, text: str, number: int) -> Any:
    """A valid value: objects have all their properties, lists as few entries as allowed; ``text`` and ``number`` are
    used for strings and numbers.

    :raises UnsupportedSchema: if no sample can be generated.
    """
    return _Sampler(text, number).value(schema)


class _Sampler:
    def __init__(self, text: str, number: int) -> None:
        self._text = text
        self._number = number
        self._left = MAX_VALUES

    def value(self, schema: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise UnsupportedSchema(f"more than {MAX_VALUES:,} values")
        if schema is True:
            return self._text
        if not isinstance(schema, Mapping):
            raise UnsupportedSchema("a schema that allows nothing")
        if unknown := [name for name in schema if name not in SUPPORTED]:
            raise UnsupportedSchema(repr(unknown[0]))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return _first(schema["enum"], "an empty 'enum'")
        return self._option(schema) if "anyOf" in schema else self._typed(schema)

    def _option(self, schema: Mapping[str, Any]) -> Any:
        if schema.keys() - ANNOTATIONS != {"anyOf"}:
            raise UnsupportedSchema("'anyOf' beside other rules")
        return self.value(_first(schema["anyOf"], "an empty 'anyOf'"))

    def _typed(self, schema: Mapping[str, Any]) -> Any:
        match _type(schema):
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._within(schema)
            case "boolean":
                return True
            case "null":
                return None
            case other:
                raise UnsupportedSchema(f"the type {other!r}")

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        declared = schema.get("properties", {})
        others = dict.fromkeys(schema.get("required", ()), schema.get("additionalProperties", True))
        return {name: self.value(inner) for name, inner in {**others, **declared}.items()}

    def _array(self, schema: Mapping[str, Any]) -> list[Any]:
        fewest, most = schema.get("minItems", 0), schema.get("maxItems", 1)
        wanted = max(fewest, min(1, most)) if "items" in schema else fewest
        return [self.value(schema.get("items", True)) for _ in range(min(int(wanted), MAX_VALUES + 1))]

    def _string(self, schema: Mapping[str, Any]) -> str:
        shortest = int(schema.get("minLength", 0))
        if shortest > MAX_CHARACTERS:
            raise UnsupportedSchema(f"a 'minLength' of more than {MAX_CHARACTERS:,}")
        return self._text[: int(schema.get("maxLength", MAX_CHARACTERS))].ljust(shortest, ".")

    def _within(self, schema: Mapping[str, Any]) -> int | float:
        lowest, highest = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        value: int | float = min(max(self._number, lowest), highest)
        if _type(schema) != "integer":
            return value
        return math.ceil(value) if value == lowest else math.floor(value)


def _type(schema: Mapping[str, Any]) -> Any:
    type_ = schema.get("type")
    if isinstance(type_, list):
        return _first(type_, "an empty 'type'")
    if type_ is None:
        return "object" if "properties" in schema else "array" if "items" in schema else "string"
    return type_


def _first(options: Any, otherwise: str) -> Any:
    if not isinstance(options, list) or not options:
        raise UnsupportedSchema(otherwise)
    return options[0]
