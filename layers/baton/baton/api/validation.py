"""Convert pydantic's errors in a body or a workflow file to field errors in terms of the document.

Types of errors: https://docs.pydantic.dev/latest/errors/validation_errors/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from baton.domain.field_errors import FieldError, Path

DETAILS = {
    "missing": "is missing",
    "extra_forbidden": "is an unknown field",
    "model_type": "should be an object",
    "model_attributes_type": "should be an object",
    "dict_type": "should be an object",
    "list_type": "should be a list",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_parsing_size": "should be a whole number with fewer digits",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "finite_number": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "literal_error": "should be {expected}",
    "greater_than": "should be greater than {gt}",
    "greater_than_equal": "should be greater than or equal to {ge}",
    "less_than": "should be less than {lt}",
    "less_than_equal": "should be less than or equal to {le}",
    "string_too_short": "should have at least {min_length} character{s}",
    "string_too_long": "should have at most {max_length} character{s}",
    "string_unicode": "contains half of a surrogate pair, which is not a character",
    "string_pattern_mismatch": "should have neither {{ nor }}",
    "too_short": "should have at least {min_length} item{s}",
    "too_long": "should have at most {max_length} item{s}",
    "recursion_loop": "is nested too deeply",
    "invalid-json-value": "should be a JSON value",
}
UNKNOWN_ERROR = "is invalid"
"""For an error type without a detail; a test checks that our models raise none of these."""

_KEY = "[key]"
"""The last part of pydantic's location of an invalid key."""


def field_errors(errors: Iterable[Mapping[str, Any]], value: Any) -> list[FieldError]:
    """One error per path. For a field of several types, pydantic reports an error for each type; they are joined."""
    details: dict[Path, list[str]] = {}
    for entry in errors:
        details.setdefault(_path(entry, value), []).append(detail_of(entry))
    return [FieldError(path=path, detail=_either(list(dict.fromkeys(found)))) for path, found in details.items()]


def _either(details: Sequence[str]) -> str:
    """Joined as in ``should be a list, or a number``."""
    first, *others = details
    return ", or ".join([first, *(other.removeprefix("should be ") for other in others)])


def detail_of(entry: Mapping[str, Any]) -> str:
    """What is wrong, to follow the field's name."""
    detail = _value_detail(entry)
    return f"its name {detail}" if _is_key_error(entry) else detail


def _value_detail(entry: Mapping[str, Any]) -> str:
    kind = entry["type"]
    known = {name: _formatted(bound) for name, bound in entry.get("ctx", {}).items()}
    if kind == "string_type":
        return _not_a_string(entry.get("input"))
    if kind == "value_error":
        return str(known.get("error", UNKNOWN_ERROR)).rstrip(".")
    bound = known.get("min_length", known.get("max_length"))
    return DETAILS.get(kind, UNKNOWN_ERROR).format(**known, s="" if bound == 1 else "s")


def _formatted(bound: Any) -> Any:
    """``2`` for the bound 2.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _not_a_string(value: Any) -> str:
    if value is None:
        return "is null or empty, and should be text"
    return "should be text" if isinstance(value, list | dict) else "should be text: put it in quotes"


def _path(entry: Mapping[str, Any], value: Any) -> Path:
    location = entry["loc"][:-1] if _is_key_error(entry) else entry["loc"]
    return tuple(_steps(location, value, is_missing=entry["type"] == "missing"))


def _is_key_error(entry: Mapping[str, Any]) -> bool:
    location = entry["loc"]
    return len(location) > 1 and location[-1] == _KEY and location[-2] == entry.get("input")


def _steps(location: Sequence[str | int], value: Any, *, is_missing: bool) -> Iterator[str | int]:
    """The parts of pydantic's location that exist in the document. Others are names of types that it tried."""
    for index, part in enumerate(location):
        if isinstance(value, Mapping):
            if part in value or (is_missing and index == len(location) - 1):
                yield part
                value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            yield part
            value = value[part]
