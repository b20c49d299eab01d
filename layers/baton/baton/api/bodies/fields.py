"""Types of fields that several bodies share, with their bounds."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from baton.domain.catalog.definitions import MAX_TEXT_BYTES, Definition
from baton.domain.ids import MAX_ID
from baton.domain.plain_text import text_error


def _integral(value: object) -> object:
    """``100.0`` is the whole number 100, as in JSON Schema; ``100.5``, ``"100"`` and ``true`` are not whole numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_integral)]
"""A whole number in a body."""

Id = Annotated[Whole, Field(ge=1, le=MAX_ID, strict=True)]
"""An id in a body: a whole number, not a text of one."""


def _normalized(text: str) -> str:
    if error := text_error(text):
        raise ValueError(error)
    return unicodedata.normalize("NFC", text)


PlainText = AfterValidator(_normalized)
"""For a one-line text. It is normalized to NFC, so that texts that look the same are equal."""

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^{}]+$"), PlainText
]
"""Prompts and files refer to names. Braces are not allowed, because a reference ends at one. Names are stored in NFC,
the form in which prompts compare them."""


def _require_storable(text: str) -> str:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"has {size:,} bytes in UTF-8; at most {MAX_TEXT_BYTES:,} can be stored")
    return text


Content = Annotated[str, AfterValidator(_require_storable), Field(json_schema_extra={"maxLength": MAX_TEXT_BYTES})]
"""A text of any length that can be stored."""


class Request(BaseModel):
    """A body that a client sends. Unknown fields are rejected, to report spelling mistakes; ``true`` is not 1."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    read_only: ClassVar[frozenset[str]] = frozenset()
    """Fields of the view that are ignored in requests, so that a client can send a view back."""

    @model_validator(mode="before")
    @classmethod
    def _without_read_only(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or not cls.read_only & value.keys():
            return value
        return {name: entry for name, entry in value.items() if name not in cls.read_only}


class View(BaseModel):
    """A body that a client receives."""


class WholeView(View):
    """A view in which every field is always present."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Listed[T: View](View):
    """A page of a list; ``cursor`` requests the next page and is ``null`` at the end."""

    items: list[T]
    cursor: str | None


STORED = frozenset({"id", "version", "created_at", "updated_at"})
"""The fields that only stored definitions have; requests may contain them, and they are ignored."""


class Stored(View):
    """The fields of every stored definition."""

    id: int
    version: int
    created_at: str
    updated_at: str


def own_fields(definition: Definition, *names: str) -> dict[str, Any]:
    """The values of the fields of every stored definition, and of these others."""
    return {name: getattr(definition, name) for name in ("id", "version", "created_at", "updated_at", *names)}
