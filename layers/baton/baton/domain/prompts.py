"""Prompts: how blocks become a template, and how ``{{references}}`` in it are found, resolved and replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Literal

from baton.domain.json_answers import json_values

Source = Literal["response", "variable", "missing"]
Path = tuple[str | int, ...]
"""Where in a JSON answer a value stands: keys and indexes, from the outside in."""

MAX_NAME_CHARACTERS = 300
"""What stands between braces and is longer than any name or path is taken for text."""

BLOCK_SEPARATOR = "\n\n"
_REFERENCE = re.compile(r"\{\{([^{}]*)\}\}")
_PATH = re.compile(r"(?:\.[^.\[\]]+|\[\d{1,9}\])+")
_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where the value of one ``{{name}}`` comes from.

    ``position`` is set for a response only, and so is ``path``, where the name reads into a JSON answer.
    """

    name: str
    source: Source
    position: int | None = None
    path: Path = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a payload's references are looked up in: answers by position, and the run's variables."""

    contents: Mapping[int, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)


def join_blocks(contents: Iterable[str]) -> str:
    """A payload's template: the blocks' contents in order, one blank line between them."""
    return BLOCK_SEPARATOR.join(contents)


def reference_names(template: str) -> list[str]:
    """Every name that the template refers to, once each, in order of appearance.

    A name is any text without braces; the spaces around it don't count.
    """
    names = dict.fromkeys(match[1].strip() for match in _REFERENCE.finditer(template))
    return [name for name in names if len(name) <= MAX_NAME_CHARACTERS]


def resolve(names: Iterable[str], earlier_payloads: Sequence[str], variables: Iterable[str]) -> tuple[Reference, ...]:
    """Decide once, for a whole run, where each name's value will come from.

    A payload earlier in the run wins over a variable, and the latest of that name wins over the ones before it. A name
    that is nobody's own may read into an earlier payload's JSON answer, as ``facts.items[0].title`` reads into that of
    ``facts``; whether it finds something there shows when the payload's turn comes.
    """
    positions = {name: position for position, name in enumerate(earlier_payloads)}
    known = frozenset(variables)

    def source_of(name: str) -> Reference:
        if name in positions:
            return Reference(name=name, source="response", position=positions[name])
        if name in known:
            return Reference(name=name, source="variable")
        return _reading_into(name, positions) or Reference(name=name, source="missing")

    return tuple(source_of(name) for name in names)


def look_up(references: Iterable[Reference], sources: Sources) -> tuple[dict[str, str], tuple[Reference, ...]]:
    """The text of each reference that has one, by its name; and the references as they then stand.

    A path that leads to nothing makes its reference a missing one.
    """
    values: dict[str, str] = {}
    found: list[Reference] = []
    for reference in references:
        value = _value(reference, sources)
        if value is not None:
            values[reference.name] = value
        found.append(reference if value is not None else replace(reference, source="missing", position=None, path=()))
    return values, tuple(found)


def as_text(value: Any) -> str:
    """What a value becomes in a prompt: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def render(template: str, values: Mapping[str, str]) -> str:
    """Replace every reference that has a value, in one pass.

    A reference without a value stays exactly as it was written, and inserted text is never scanned again.
    """
    return _REFERENCE.sub(lambda match: values.get(match[1].strip(), match[0]), template)


def _reading_into(name: str, positions: Mapping[str, int]) -> Reference | None:
    """The longest beginning of the name that is a payload's, with a path behind it."""
    for end in range(len(name) - 1, 0, -1):
        if name[end] in ".[" and name[:end] in positions and _PATH.fullmatch(name, end):
            path = tuple(key or int(index) for key, index in _PATH_STEP.findall(name[end:]))
            return Reference(name=name, source="response", position=positions[name[:end]], path=path)
    return None


def _value(reference: Reference, sources: Sources) -> str | None:
    if reference.source == "variable":
        return as_text(sources.variables[reference.name])
    if reference.position is None:
        return None
    content = sources.contents[reference.position]
    return _read_path(content, reference.path) if reference.path else content


def _read_path(content: str, path: Path) -> str | None:
    """What stands there in an answer that is JSON, in any wrapping; of several values, in the first that has it."""
    for value in json_values(content):
        with suppress(RecursionError, LookupError):
            return as_text(reduce(_inside, path, value))
    return None


def _inside(value: Any, step: str | int) -> Any:
    """:raises LookupError: if the value has no such part; a text has none."""
    match value, step:
        case (dict(), str()) | (list(), int()):
            return value[step]
        case _:
            raise LookupError(step)
