"""Errors in the fields of a request body or a file, with their place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

MAX_FIELD_CHARACTERS = 200
_PLAIN_NAME = re.compile(r"""[^\s."'[\]{}:,]+""")

type Path = tuple[str | int, ...]
"""The keys and indexes of a value, outermost first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One error in a file or a request body; ``line`` where it is known."""

    path: Path
    detail: str
    line: int | None = None

    @property
    def field(self) -> str:
        """``payloads[1].temperature``, or ``file`` for the whole file."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{_written(part)}" for part in self.path)
        text = "".join(parts).removeprefix(".") or "file"
        return text if len(text) <= MAX_FIELD_CHARACTERS else f"{text[:MAX_FIELD_CHARACTERS]}…"

    @property
    def place(self) -> str:
        """``line 12: payloads[1].temperature``, or as much of it as is known."""
        if self.line is None:
            return self.field
        return f"line {self.line}: {self.field}" if self.path else f"line {self.line}"


def _written(name: str) -> str:
    """A field's name, in quotes if it contains characters of the path's own syntax.

    Characters that are not printable are escaped as in JSON.
    """
    if _PLAIN_NAME.fullmatch(name) and name.isprintable():
        return name
    return json.dumps(name, ensure_ascii=not name.isprintable())
