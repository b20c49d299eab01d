"""Fields that the bodies of all kinds of definitions share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from baton.api.bodies.fields import View
from baton.domain.catalog.definitions import MAX_TEXT_BYTES, Definition


def _require_storable(text: str) -> str:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"has {size:,} bytes in UTF-8; at most {MAX_TEXT_BYTES:,} can be stored")
    return text


Content = Annotated[str, AfterValidator(_require_storable), Field(json_schema_extra={"maxLength": MAX_TEXT_BYTES})]


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
