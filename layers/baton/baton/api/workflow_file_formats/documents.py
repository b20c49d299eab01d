"""The value that a file contains, and the line of each part of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from baton.domain.field_errors import FieldError, Path
from baton.domain.files.workflow_files import BrokenFile

MAX_FILE_BYTES = 4_000_000
"""The maximum of a body that API Gateway passes to a function in Base64: such an event has at most 6 MB."""

MAX_VALUES = 250_000
MAX_NESTING = 256


@dataclass(frozen=True, slots=True)
class Place:
    """The line on which a value begins, and the places of its parts by key or index."""

    line: int
    parts: dict[str | int, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value, of JSON's types only. ``place`` is ``None`` for a format without line numbers."""

    value: Any
    place: Place | None = None

    def with_line(self, error: FieldError) -> FieldError:
        """The error with the line of its path, or of the longest part of the path that exists."""
        place = self.place
        if place is None:
            return error
        for part in error.path:
            if part not in place.parts:
                break
            place = place.parts[part]
        return replace(error, line=place.line)


def broken(detail: str, line: int | None = None, path: Path = ()) -> BrokenFile:
    """The exception for a file with one error."""
    return BrokenFile([FieldError(path=path, detail=detail, line=line)])


TOO_DEEP = f"is nested more than {MAX_NESTING} levels deep"
TOO_MANY = f"contains more than {MAX_VALUES:,} values"
UNSUPPORTED_NUMBER = "is not a number that JSON supports"


def duplicate_key(key: str) -> str:
    """The detail of the error for a key that occurs twice in a mapping."""
    return f"has the key {key[:100]!r} twice"
