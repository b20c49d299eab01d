"""Parameters of the routes: in paths, queries and headers, and the caller. Each query parameter must be known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qsl

from aws_lambda_powertools.event_handler import Depends, Request
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from pydantic import BeforeValidator

from baton.api.caller import caller_of
from baton.api.correlation import correlation_id_of
from baton.domain.access.caller import Caller
from baton.domain.errors import Invalid
from baton.domain.field_errors import FieldError
from baton.domain.ids import MAX_ID, PLAIN_ID

_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')
MAX_NAME_CHARACTERS = 100


def caller_of_request(request: Request) -> Caller:
    """The caller of the current request."""
    return caller_of(request.resolved_event.raw_event)


RequestCaller = Annotated[Caller, Depends(caller_of_request)]
"""The caller, as a parameter of a route."""


def correlation_id_of_request(request: Request) -> str:
    """The correlation id of the current request."""
    return correlation_id_of(request.resolved_event.raw_event)


RequestCorrelationId = Annotated[str, Depends(correlation_id_of_request)]
"""The correlation id, as a parameter of a route."""


def _plain_id(value: Any) -> Any:
    """Rejects other notations of numbers: pydantic also accepts ``01``, ``+1``, ``1_0`` and ``1.0``."""
    if isinstance(value, str) and not PLAIN_ID.fullmatch(value):
        raise ValueError(f"is not an id: a number from 1 to {MAX_ID}, in digits without signs, spaces or leading zeros")
    return value


PathId = Annotated[int, BeforeValidator(_plain_id), Path(ge=1, le=MAX_ID)]
"""An id in a path."""

PathPosition = Annotated[
    int, BeforeValidator(lambda text: text if text == "0" else _plain_id(text)), Path(ge=0, le=MAX_ID)
]
"""The position of a payload in a run, in a path; the first is 0."""

QueryId = Annotated[int | None, BeforeValidator(_plain_id), Query(ge=1, le=MAX_ID)]
"""An id in a query."""

Limit = Annotated[int, Query(ge=1, le=100, description="The maximum number of items.")]
Cursor = Annotated[str | None, Query(max_length=200, description="The `cursor` of the previous page.")]


Q = Annotated[str | None, Query(min_length=1, max_length=200, description="Text to search for; case is ignored.")]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=1000, description="The `ETag` of the version to change."),
]


def versions(if_match: str | None) -> frozenset[int] | None:
    """The versions that may be changed; ``None`` for any.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-if-match

    :raises Invalid: if it is not a list of entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    if not all(_ENTITY_TAG.fullmatch(tag) for tag in tags):
        raise Invalid("If-Match", 'is not a list of ETags as this API returns them, such as "3" with its quotes.')
    return frozenset(int(tag.strip('"')) for tag in tags if tag.strip('"').isdecimal())


def query_parameters(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parameters of a request in order, including repeated and empty ones."""
    if raw := event.get("rawQueryString"):
        return parse_qsl(raw, keep_blank_values=True, errors="replace")
    return list((event.get("queryStringParameters") or {}).items())


def query_errors(sent: Sequence[tuple[str, str]], known: Collection[str]) -> list[FieldError]:
    """The error of each unknown, repeated or empty parameter; their values are validated later."""
    times = Counter(name for name, _ in sent)
    empty = {name for name, value in sent if not value}
    found = {name: _query_detail(times[name], known, is_known=name in known, is_empty=name in empty) for name in times}
    return [FieldError(path=(name[:MAX_NAME_CHARACTERS],), detail=detail) for name, detail in found.items() if detail]


def _query_detail(times: int, known: Collection[str], *, is_known: bool, is_empty: bool) -> str:
    if not is_known:
        supported = f"; supported are {', '.join(known)}" if known else ""
        return f"is not a parameter of this call{supported}"
    if times > 1:
        return f"occurs {times} times; send it once"
    return "is empty; remove it, or set a value" if is_empty else ""
