"""The types of fields that several requests share, with their bounds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from baton.domain.errors import Invalid
from baton.domain.ids import MAX_ID, PLAIN_ID
from baton.domain.plain_text import objection_to_text

_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')


def _whole(value: object) -> object:
    """``100.0`` is the whole number 100, as in JSON Schema; ``100.5``, ``"100"`` and ``true`` are none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number in a body."""

Id = Annotated[Whole, Field(ge=1, le=MAX_ID, strict=True)]
"""An id in a body: a whole number, not a text of one."""


def _plain(text: str) -> str:
    if objection := objection_to_text(text):
        raise ValueError(objection)
    return unicodedata.normalize("NFC", text)


PlainText = AfterValidator(_plain)
"""For a text of one line that people read in lists, in NFC, so that what looks the same is the same."""

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^{}]+$"), PlainText
]
"""What prompts and files refer to: without braces, since a reference ends at one. Prompts compare names in NFC, so they
are kept in it: two names that a prompt can't tell apart are one name."""


class Request(BaseModel):
    """A body that a client sends. An unknown field is refused, so that a misspelt one is noticed; ``true`` is no 1."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    read_only: ClassVar[frozenset[str]] = frozenset()
    """Fields that an answer has and a request has not: what was read can be sent back, and they are ignored."""

    @model_validator(mode="before")
    @classmethod
    def _without_read_only(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or not cls.read_only & value.keys():
            return value
        return {name: entry for name, entry in value.items() if name not in cls.read_only}


class Answer(BaseModel):
    """A body that a client receives."""


class WholeAnswer(Answer):
    """One that has every field each time, so that clients need not ask whether it is there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


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


class Listed[T: Answer](Answer):
    """A part of a list; ``cursor`` asks for the next one and is ``null`` at the end."""

    items: list[T]
    cursor: str | None
