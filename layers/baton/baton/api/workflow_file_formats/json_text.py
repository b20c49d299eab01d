"""JSON files. Python's own parser accepts more than JSON, and silently uses the last of two equal keys."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from baton.api.workflow_file_formats.documents import (
    MAX_NESTING,
    MAX_VALUES,
    TOO_DEEP,
    TOO_MANY,
    UNSUPPORTED_NUMBER,
    Document,
    broken,
    duplicate_key,
)
from baton.domain.field_errors import Path

EXPECTED = {
    "Expecting value": "a value is expected here",
    "Expecting property name enclosed in double quotes": "a name in double quotes is expected here",
    "Expecting ':' delimiter": "a colon is expected here",
    "Expecting ',' delimiter": "a comma or the end of the list or object is expected here",
    "Illegal trailing comma before end of object": "no comma is expected before the closing brace",
    "Illegal trailing comma before end of array": "no comma is expected before the closing bracket",
    "Unterminated string starting at": "the text that begins here has no closing quote",
    "Invalid control character at": "a line break, tab or other control character must be escaped, such as \\n",
    "Invalid \\escape": "a backslash in a text must be written twice",
    "Invalid \\escape: ": "a backslash in a text must be written twice",
    "Invalid \\uXXXX escape": "four hexadecimal digits are expected after \\u",
    "Extra data": "nothing is expected after the end of the value",
}
"""Clearer texts for the messages of Python's parser."""


@dataclass(frozen=True, slots=True)
class _Rejected:
    """Replaces a value that is not accepted until its path is known."""

    detail: str


def read(text: str) -> Document:
    """:raises BrokenFile: if it is not JSON, or exceeds the maximum of values or nesting."""
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise broken(not_json(error), line=error.lineno) from None
    except RecursionError:
        raise broken(TOO_DEEP) from None
    _check(value)
    return Document(value)


def not_json(error: json.JSONDecodeError) -> str:
    """The detail of the error: the column, and what was expected there."""
    return f"is not JSON at column {error.colno}: {EXPECTED.get(error.msg, 'a value is expected here')}"


def write(document: dict[str, Any]) -> str:
    """Indented, and without escapes for characters that need none."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Rejected:
    value: dict[str, Any] = {}
    for key, entry in pairs:
        if key in value:
            return _Rejected(duplicate_key(key))
        value[key] = entry
    return value


def _integer(text: str) -> int | _Rejected:
    try:
        return int(text)
    except ValueError:  # Python's bound on digits
        return _Rejected(UNSUPPORTED_NUMBER)


def _fraction(text: str) -> float | _Rejected:
    value = float(text)
    return value if math.isfinite(value) else _Rejected(UNSUPPORTED_NUMBER)


def _constant(_: str) -> _Rejected:
    return _Rejected(UNSUPPORTED_NUMBER)


def _check(value: Any) -> None:
    values = 1
    for path, entry in _walk(value):
        values += len(entry) if isinstance(entry, dict | list) else 0
        if values > MAX_VALUES:
            raise broken(TOO_MANY)
        if len(path) > MAX_NESTING:
            raise broken(TOO_DEEP, path=path)
        if isinstance(entry, _Rejected):
            raise broken(entry.detail, path=path)
        if not _is_unicode(entry):
            raise broken("contains half of a surrogate pair, which is not a character", path=path)


def _walk(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every value and key with its path, from the outside in."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, entry = waiting.pop()
        yield path, entry
        if isinstance(entry, dict):
            waiting += [(path, key) for key in entry]
            waiting += [((*path, key), part) for key, part in entry.items()]
        elif isinstance(entry, list):
            waiting += [((*path, index), part) for index, part in enumerate(entry)]


def _is_unicode(value: Any) -> bool:
    if not isinstance(value, str) or value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
