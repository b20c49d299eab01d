"""What pydantic found in a body or a workflow file, in the words of whoever wrote it.

Types of errors: https://docs.pydantic.dev/latest/errors/validation_errors/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from baton.domain.files.workflow_files import FieldError, Path

SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field here",
    "model_type": "should be fields with values",
    "model_attributes_type": "should be fields with values",
    "dict_type": "should be fields with values",
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
    "string_unicode": "holds half of a surrogate pair, which is no character",
    "string_pattern_mismatch": "should have neither {{ nor }}",
    "too_short": "should have at least {min_length} item{s}",
    "too_long": "should have at most {max_length} item{s}",
    "recursion_loop": "is nested too deeply",
    "invalid-json-value": "should be a value that JSON has",
}
UNKNOWN = "is not what belongs here"
"""For an error that has no sentence: a test finds every one that our models can raise."""

_KEY = "[key]"
"""pydantic's last step to a key that is wrong itself."""


def faults(errors: Iterable[Mapping[str, Any]], value: Any) -> list[FieldError]:
    """One fault for each path. Where a field takes several types, pydantic has an error for each of them."""
    sentences: dict[Path, list[str]] = {}
    for entry in errors:
        sentences.setdefault(_path(entry, value), []).append(sentence(entry))
    return [FieldError(path=path, detail=_either(list(dict.fromkeys(found)))) for path, found in sentences.items()]


def _either(sentences: Sequence[str]) -> str:
    """``should be a list, or a number``: of what each type would have it, said once that it should be so."""
    first, *others = sentences
    return ", or ".join([first, *(other.removeprefix("should be ") for other in others)])


def sentence(entry: Mapping[str, Any]) -> str:
    """What is wrong, to stand behind the field's name."""
    said = _of_a_value(entry)
    return f"its name {said}" if _is_of_a_key(entry) else said


def _of_a_value(entry: Mapping[str, Any]) -> str:
    kind = entry["type"]
    known = {name: _as_written(bound) for name, bound in entry.get("ctx", {}).items()}
    if kind == "string_type":
        return _no_text(entry.get("input"))
    if kind == "value_error":
        return str(known.get("error", UNKNOWN)).rstrip(".")
    bound = known.get("min_length", known.get("max_length"))
    return SENTENCES.get(kind, UNKNOWN).format(**known, s="" if bound == 1 else "s")


def _as_written(bound: Any) -> Any:
    """``2`` for the bound 2.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _no_text(value: Any) -> str:
    if value is None:
        return "is null or empty, and should be text"
    return "should be text" if isinstance(value, list | dict) else "should be text: put it in quotes"


def _path(entry: Mapping[str, Any], value: Any) -> Path:
    location = entry["loc"][:-1] if _is_of_a_key(entry) else entry["loc"]
    return tuple(_steps(location, value, is_missing=entry["type"] == "missing"))


def _is_of_a_key(entry: Mapping[str, Any]) -> bool:
    location = entry["loc"]
    return len(location) > 1 and location[-1] == _KEY and location[-2] == entry.get("input")


def _steps(location: Sequence[str | int], value: Any, *, is_missing: bool) -> Iterator[str | int]:
    """pydantic also names the type that it tried; a path has only what was sent, or is missing at its end."""
    for index, part in enumerate(location):
        if isinstance(value, Mapping):
            if part in value or (is_missing and index == len(location) - 1):
                yield part
                value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            yield part
            value = value[part]
