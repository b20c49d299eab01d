"""What a file's text holds, and on which line each part of it stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from baton.domain.files.workflow_files import BrokenFile, FieldError, Path

MAX_FILE_BYTES = 4_000_000
"""As a body that API Gateway hands to a function in Base64; such an event has 6 MB at most."""

MAX_VALUES = 250_000
MAX_NESTING = 256


@dataclass(frozen=True, slots=True)
class Place:
    """The line that a value begins on, and the places of what is in it."""

    line: int
    parts: dict[str | int, Place] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value, of JSON's types only. There is no ``place`` where the format doesn't tell it."""

    value: Any
    place: Place | None = None

    def with_line(self, fault: FieldError) -> FieldError:
        """The fault with the line of its path, or of as much of the path as is there."""
        place = self.place
        if place is None:
            return fault
        for part in fault.path:
            if part not in place.parts:
                break
            place = place.parts[part]
        return replace(fault, line=place.line)


def broken(detail: str, line: int | None = None, path: Path = ()) -> BrokenFile:
    """A file with one fault."""
    return BrokenFile([FieldError(path=path, detail=detail, line=line)])


TOO_DEEP = f"is nested more than {MAX_NESTING} levels deep"
TOO_MANY = f"holds more than {MAX_VALUES:,} values"
NO_NUMBER = "is not a number that JSON can carry"


def twice(key: str) -> str:
    """The sentence for a key that a mapping has already."""
    return f"has the key {key[:100]!r} twice"
