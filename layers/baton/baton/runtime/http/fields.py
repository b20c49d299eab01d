"""The types of fields that several requests share, with their bounds."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_ID = 999_999_999_999

Id = Annotated[int, Field(ge=1, le=MAX_ID, strict=True)]
"""An id in a body: a whole number, not a text of one."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^{}]+$")]
"""What prompts and files refer to: without braces, since a reference ends at one."""


class Request(BaseModel):
    """A body that a client sends: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """A body that a client receives."""


PathId = Annotated[int, Path(ge=1, le=MAX_ID)]
"""An id in a path."""

Limit = Annotated[int, Query(ge=1, le=100, description="At most so many items.")]
Cursor = Annotated[str | None, Query(max_length=200, description="The `cursor` of the page before.")]


class Listed[T: Answer](Answer):
    """A part of a list; ``cursor`` asks for the next one and is ``null`` at the end."""

    items: list[T]
    cursor: str | None
