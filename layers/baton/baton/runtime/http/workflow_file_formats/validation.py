"""What pydantic found in a file, in the words of whoever wrote the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from baton.domain.workflow_files import Fault, Path

_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field here",
    "model_type": "should be fields with values",
    "dict_type": "should be fields with values",
    "list_type": "should be a list",
    "string_pattern_mismatch": "should have neither { nor }",
    "recursion_loop": "is nested too deeply",
}
_SUBJECTS = ("Input ", "String ", "List ", "Dictionary ")
"""What pydantic's own sentences begin with; here the path stands in its place."""


def faults(error: ValidationError, value: Any) -> list[Fault]:
    """One fault for each path. Where a field takes several types, pydantic has an error for each of them."""
    sentences: dict[Path, list[str]] = {}
    for entry in error.errors(include_url=False):
        sentences.setdefault(_path(entry["loc"], value), []).append(_sentence(entry))
    return [Fault(path=path, sentence=", or ".join(dict.fromkeys(found))) for path, found in sentences.items()]


def _path(location: Sequence[str | int], value: Any) -> Path:
    return tuple(_steps(location, value))


def _steps(location: Sequence[str | int], value: Any) -> Iterator[str | int]:
    """pydantic also names the type that it tried; a path has only what is in the file, or is missing at its end."""
    for index, part in enumerate(location):
        if isinstance(value, Mapping):
            if part in value or index == len(location) - 1:
                yield part
                value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            yield part
            value = value[part]


def _sentence(entry: Mapping[str, Any]) -> str:
    if entry["type"] == "string_type":
        return _no_text(entry["input"])
    sentence: str = _SENTENCES.get(entry["type"]) or entry["msg"]
    subject = next((subject for subject in _SUBJECTS if sentence.startswith(subject)), "")
    return sentence.removeprefix(subject)


def _no_text(value: Any) -> str:
    if value is None:
        return "is empty, and should be text"
    return "should be text" if isinstance(value, list | dict) else "should be text: put it in quotes"
