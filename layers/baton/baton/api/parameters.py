"""What the routes take from paths, queries and headers, and from whoever calls."""

from __future__ import annotations

import re
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Depends, Request
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from pydantic import BeforeValidator

from baton.api.caller import caller_of
from baton.domain.access.caller import Caller
from baton.domain.errors import Invalid
from baton.domain.ids import MAX_ID, PLAIN_ID

_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')


def caller_of_request(request: Request) -> Caller:
    """Whoever makes the request that a route answers."""
    return caller_of(request.resolved_event.raw_event)


RequestCaller = Annotated[Caller, Depends(caller_of_request)]
"""Whoever calls a route."""


def _id(value: Any) -> Any:
    """Texts of ids only: pydantic takes ``01``, ``+1``, ``1_0`` and ``1.0`` for whole numbers too."""
    if isinstance(value, str) and not PLAIN_ID.fullmatch(value):
        raise ValueError(f"is not an id: a number from 1 to {MAX_ID}, in digits without signs, spaces or leading zeros")
    return value


PathId = Annotated[int, BeforeValidator(_id), Path(ge=1, le=MAX_ID)]
"""An id in a path."""

PathPosition = Annotated[int, BeforeValidator(lambda text: text if text == "0" else _id(text)), Path(ge=0, le=MAX_ID)]
"""The position of a payload in a run, in a path; the first one's is 0."""

QueryId = Annotated[int | None, BeforeValidator(_id), Query(ge=1, le=MAX_ID)]
"""An id in a query."""

Limit = Annotated[int, Query(ge=1, le=100, description="At most so many items.")]
Cursor = Annotated[str | None, Query(max_length=200, description="The `cursor` of the page before.")]


Q = Annotated[str | None, Query(min_length=1, max_length=200, description="Some text to look for, in any case.")]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=1000, description="The `ETag` of the version that the change is meant for."),
]


def versions(if_match: str | None) -> frozenset[int] | None:
    """The versions that a change may meet; ``None`` for any.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-if-match

    :raises Invalid: if it is not a list of entity tags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    if not all(_ENTITY_TAG.fullmatch(tag) for tag in tags):
        raise Invalid("If-Match", 'is not a list of ETags as this API gives them, such as "3" with its quotes.')
    return frozenset(int(tag.strip('"')) for tag in tags if tag.strip('"').isdecimal())
