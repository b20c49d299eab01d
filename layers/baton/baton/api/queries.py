"""Query parameters: each one is known, given once, and not empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from baton.domain.files.workflow_files import FieldError

MAX_NAME_CHARACTERS = 100


def given(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parameters of a request in their order, repeated ones and empty ones too."""
    if raw := event.get("rawQueryString"):
        return parse_qsl(raw, keep_blank_values=True, errors="replace")
    return list((event.get("queryStringParameters") or {}).items())


def faults(parameters: Sequence[tuple[str, str]], known: Collection[str]) -> list[FieldError]:
    """What is wrong with them, whatever their values mean."""
    times = Counter(name for name, _ in parameters)
    empty = {name for name, value in parameters if not value}
    found = {name: _sentence(times[name], known, is_known=name in known, is_empty=name in empty) for name in times}
    return [FieldError(path=(name[:MAX_NAME_CHARACTERS],), detail=detail) for name, detail in found.items() if detail]


def _sentence(times: int, known: Collection[str], *, is_known: bool, is_empty: bool) -> str:
    if not is_known:
        others = f"; it has {', '.join(known)}" if known else ", which has none"
        return f"is not a parameter of this call{others}"
    if times > 1:
        return f"is given {times} times; send it once"
    return "is empty; leave it out, or give it a value" if is_empty else ""
