"""Query parameters: each must be known, occur once, and not be empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from baton.domain.files.workflow_files import FieldError

MAX_NAME_CHARACTERS = 100


def parameters(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parameters of a request in order, including repeated and empty ones."""
    if raw := event.get("rawQueryString"):
        return parse_qsl(raw, keep_blank_values=True, errors="replace")
    return list((event.get("queryStringParameters") or {}).items())


def field_errors(sent: Sequence[tuple[str, str]], known: Collection[str]) -> list[FieldError]:
    """The error of each unknown, repeated or empty parameter; their values are validated later."""
    times = Counter(name for name, _ in sent)
    empty = {name for name, value in sent if not value}
    found = {name: _detail(times[name], known, is_known=name in known, is_empty=name in empty) for name in times}
    return [FieldError(path=(name[:MAX_NAME_CHARACTERS],), detail=detail) for name, detail in found.items() if detail]


def _detail(times: int, known: Collection[str], *, is_known: bool, is_empty: bool) -> str:
    if not is_known:
        supported = f"; supported are {', '.join(known)}" if known else ""
        return f"is not a parameter of this call{supported}"
    if times > 1:
        return f"occurs {times} times; send it once"
    return "is empty; remove it, or set a value" if is_empty else ""
