"""Prompts: resolve each ``{{reference}}`` to a source, and read its value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from baton.domain.errors import PromptTooLong
from baton.domain.llm.json_answers import json_values
from baton.domain.templates import normalised, prefixes, rendered_bytes

Source = Literal["response", "variable", "missing"]
Where = Literal["prompt", "system"]
Path = tuple[str | int, ...]
"""The path of a value in a JSON answer or a variable: keys and indexes, outermost first."""

MAX_PROMPT_BYTES = 10_000_000
"""Of a rendered prompt and its system text together, and of the answers that they refer to. The memory of the payload
function holds it; the largest context windows are shorter."""

_PATH = re.compile(r"(?:\.[^.\[\]]+|\[\d{1,9}\])+")
_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")

_MISSING = object()
"""The result of a path that does not exist; ``None`` is a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where the value of one ``{{name}}`` comes from.

    ``position`` is set for a response only, ``path`` where the name reads into a JSON answer or a variable, and
    ``variable`` if the variable's name differs from ``name``.
    """

    name: str
    source: Source
    position: int | None = None
    path: Path = ()
    variable: str | None = None
    where: Where = "prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a payload's references are looked up: answers by position, and the run's variables."""

    contents: Mapping[int, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)


class Scope:
    """The names that one payload can refer to: the earlier payloads and the run's variables."""

    def __init__(self, earlier_payloads: Sequence[str], variables: Mapping[str, Any]) -> None:
        self._positions = {normalised(name): position for position, name in enumerate(earlier_payloads)}
        ordered = sorted(variables, key=lambda name: name == normalised(name))  # of two that are equal, NFC wins
        self._own_names = {normalised(name): name for name in ordered}
        self._documents = _Documents(Sources(variables=variables))

    def resolve(self, names: Iterable[str], where: Where = "prompt") -> tuple[Reference, ...]:
        """Resolve each name to its source; done once per run, when it is created.

        An earlier payload takes precedence over a variable, and the latest payload of a name over earlier ones. Any
        other name may be a path into an earlier payload's JSON answer or into a variable, as in
        ``facts.items[0].title``; the longest matching name takes precedence. A path into a variable is checked at once,
        a path into an answer when the payload is executed.
        """
        return tuple(replace(self._source_of(name), where=where) for name in names)

    def _source_of(self, name: str) -> Reference:
        found = self._named(name, name) or self._read_into(name)
        return found or Reference(name=name, source="missing")

    def _named(self, name: str, owner: str, path: Path = ()) -> Reference | None:
        if owner in self._positions:
            return Reference(name=name, source="response", position=self._positions[owner], path=path)
        if owner in self._own_names:
            own = self._own_names[owner]
            return Reference(name=name, source="variable", path=path, variable=None if own == name else own)
        return None

    def _read_into(self, name: str) -> Reference | None:
        for owner, end in prefixes(name):
            if (owner in self._positions or owner in self._own_names) and _PATH.fullmatch(name, end):
                path = tuple(key or int(index) for key, index in _PATH_STEP.findall(name[end:]))
                found = self._named(name, owner, path)
                return found if found and self._may_exist(found) else None
        return None

    def _may_exist(self, found: Reference) -> bool:
        return found.source != "variable" or self._documents.value(found) is not None


def look_up(references: Iterable[Reference], sources: Sources) -> tuple[dict[str, str], tuple[Reference, ...]]:
    """The text of each resolved reference by its name, and all references with their final source.

    A reference whose path does not exist becomes ``missing``.
    """
    values: dict[str, str] = {}
    found: list[Reference] = []
    documents = _Documents(sources)
    for reference in references:
        value = documents.value(reference)
        if value is not None:
            values[reference.name] = value
        found.append(reference if value is not None else missing(reference))
    return values, tuple(found)


def missing(reference: Reference) -> Reference:
    """The reference as a missing one."""
    return Reference(name=reference.name, source="missing", where=reference.where)


def as_text(value: Any) -> str:
    """The value as inserted into a prompt: text unchanged, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def check_rendered_bytes(texts: Iterable[str], values: Mapping[str, str]) -> None:
    """Before these templates are rendered.

    :raises PromptTooLong: if they would have more than :data:`MAX_PROMPT_BYTES` together.
    """
    size = sum(rendered_bytes(text, values) for text in texts)
    if size > MAX_PROMPT_BYTES:
        raise PromptTooLong("The prompt and its system text", size, MAX_PROMPT_BYTES)


def check_source_bytes(size: int) -> None:
    """Before the answers of so many bytes together are read.

    :raises PromptTooLong: if there are more than :data:`MAX_PROMPT_BYTES`.
    """
    if size > MAX_PROMPT_BYTES:
        raise PromptTooLong("The answers that this payload refers to", size, MAX_PROMPT_BYTES)


class _Documents:
    """The sources, each parsed at most once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._parsed: dict[int | str, Sequence[Any]] = {}

    def value(self, reference: Reference) -> str | None:
        if reference.source == "missing":
            return None
        if not reference.path:
            return as_text(self._whole(reference))
        found = (_read_path(document, reference.path) for document in self._documents(reference))
        return next((as_text(value) for value in found if value is not _MISSING), None)

    def _whole(self, reference: Reference) -> Any:
        if reference.position is not None:
            return self._sources.contents[reference.position]
        return self._sources.variables[reference.variable or reference.name]

    def _documents(self, reference: Reference) -> Sequence[Any]:
        """The JSON values that the path may refer to, the most likely first; usually one."""
        key = reference.position if reference.position is not None else reference.variable or reference.name
        if key not in self._parsed:
            self._parsed[key] = _parsed(self._whole(reference))
        return self._parsed[key]


def _parsed(value: Any) -> Sequence[Any]:
    """The JSON values in a text, for example in a code fence; any other value unchanged."""
    return json_values(value) if isinstance(value, str) else [value]


def _read_path(document: Any, path: Path) -> Any:
    """The value at the path, or ``_MISSING``."""
    value = document
    for step in path:
        match value, step:
            case dict(), str():
                value = _entry(value, step)
            case list() | tuple(), int() if step < len(value):
                value = value[step]
            case _:
                return _MISSING
    return value


def _entry(entries: Mapping[str, Any], key: str) -> Any:
    """The value of a key; keys are compared in Unicode's form NFC."""
    if key in entries or key.isascii():
        return entries.get(key, _MISSING)
    return next((value for name, value in entries.items() if normalised(name) == key), _MISSING)
