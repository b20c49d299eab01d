"""YAML files, with JSON's types only.

The values are built from the parser's events, so that each has its line, and what JSON does not have (tags, anchors,
a second document) is rejected before it costs anything. Null, booleans and decimal numbers are recognised as in the
core schema of YAML 1.2; an unquoted ``yes``, ``2024-01-31``, ``012`` or ``0x10`` is text. Keys are always text.

Source: https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from baton.api.workflow_file_formats.documents import (
    MAX_NESTING,
    MAX_VALUES,
    TOO_DEEP,
    TOO_MANY,
    UNSUPPORTED_NUMBER,
    Document,
    Place,
    broken,
    duplicate_key,
)
from baton.api.workflow_file_formats.yaml_quotes import BEGINS_WITH_BRACES, missing_quotes
from baton.domain.field_errors import Path

_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORDS = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
}
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

MAX_DIGITS = 4000
"""Python itself reads up to 4,300."""


def read(text: str) -> Document:
    """:raises BrokenFile: if it is not YAML with JSON's types only, or exceeds the maximum of values or nesting."""
    found = _NOT_PRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise broken(f"contains U+{ord(found[0]):04X}; write it in double quotes, as an escape", line)
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.add_event(event)
    except yaml.MarkedYAMLError as error:
        raise broken(*_syntax(error, text)) from None
    return Document(builder.value, builder.place)


def _syntax(error: yaml.MarkedYAMLError, text: str) -> tuple[str, int | None]:
    """The detail of the parser's error, and its line."""
    mark = error.problem_mark
    if mark is None:
        return f"is not YAML: {error.problem}", None
    lines = _LINE_END.split(text)
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "is indented with a tab; YAML allows spaces only", mark.line + 1
    before = [] if error.context_mark is None else [error.context_mark.line]
    if found := missing_quotes(lines, [mark.line, *before]):
        return f"is not YAML: {found[0]}", found[1]
    return f"is not YAML at column {mark.column + 1}: {error.problem}", mark.line + 1


@dataclass(slots=True)
class _OpenCollection:
    """A collection that is being read. ``key`` is the one whose value comes next; ``path`` is the collection's own."""

    value: dict[str, Any] | list[Any]
    place: Place
    path: Path
    key: str | None = None
    key_line: int = 0

    def awaits_key(self) -> bool:
        """Whether the next value is the key of a pair."""
        return isinstance(self.value, dict) and self.key is None

    def next_path(self) -> Path:
        """The path of the next value; while a key is expected, that of the collection."""
        part = self.key if isinstance(self.value, dict) else len(self.value)
        return self.path if part is None else (*self.path, part)

    def add(self, value: Any, place: Place) -> None:
        """Add a value; in a mapping, its line is the key's."""
        if isinstance(self.value, list):
            self.place.parts[len(self.value)] = place
            self.value.append(value)
        elif self.key is not None:
            self.place.parts[self.key] = Place(self.key_line, place.parts)
            self.value[self.key] = value
            self.key = None


class _Builder:
    """Builds a document from the parser's events."""

    def __init__(self) -> None:
        self.value: Any = None
        self.place: Place | None = None
        self._open: list[_OpenCollection] = []
        self._values = 0

    def add_event(self, event: Event) -> None:
        """:raises BrokenFile: at the first event that a file can't have."""
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        match event:
            case DocumentStartEvent() if self.place is not None:
                raise broken("begins a second document; a file contains one workflow", line)
            case CollectionEndEvent():
                self._open.pop()
            case NodeEvent():
                self._reject_extras(event, line)
                self._add_node(event, line)

    def _reject_extras(self, event: NodeEvent, line: int) -> None:
        if event.anchor is not None:  # an alias has one too
            raise broken(
                "has an anchor (&) or alias (*); write the value out, or quote it if it is text", line, self._path()
            )
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise broken("has a tag (!); write the value without one, or quote it if it is text", line, self._path())

    def _add_node(self, event: NodeEvent, line: int) -> None:
        if self._open and self._open[-1].awaits_key():
            self._add_key(self._open[-1], event, line)
        elif isinstance(event, ScalarEvent):
            self._add(self._scalar(event, line), Place(line))
        else:
            self._enter(_OpenCollection({} if isinstance(event, MappingStartEvent) else [], Place(line), self._path()))

    def _add_key(self, mapping: _OpenCollection, event: NodeEvent, line: int) -> None:
        if isinstance(event, MappingStartEvent) and event.flow_style:
            raise broken(BEGINS_WITH_BRACES, line, self._path())
        if not isinstance(event, ScalarEvent):
            raise broken("has a key that isn't text", line, self._path())
        if event.value in mapping.value:
            raise broken(duplicate_key(event.value), line, self._path())
        mapping.key, mapping.key_line = event.value, line

    def _scalar(self, event: ScalarEvent, line: int) -> Any:
        text = event.value
        if not event.implicit[0]:  # quoted, or a block
            return text
        if text in _WORDS:
            return _WORDS[text]
        if not _NUMBER.fullmatch(text):
            return text
        number = _number(text)
        if number is None:
            raise broken(UNSUPPORTED_NUMBER, line, self._path())
        return number

    def _enter(self, collection: _OpenCollection) -> None:
        if len(collection.path) >= MAX_NESTING:
            raise broken(TOO_DEEP, collection.place.line, collection.path)
        self._add(collection.value, collection.place)
        self._open.append(collection)

    def _add(self, value: Any, place: Place) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise broken(TOO_MANY, place.line)
        if self._open:
            self._open[-1].add(value, place)
        else:
            self.value, self.place = value, place

    def _path(self) -> Path:
        return self._open[-1].next_path() if self._open else ()


def _number(text: str) -> int | float | None:
    """``None`` for a number that is too large for Python or JSON."""
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= MAX_DIGITS else None
    value = float(text)
    return value if math.isfinite(value) else None
