"""What the bodies of all kinds of definitions share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from baton.api.bodies.fields import View
from baton.domain.catalog.definitions import (
    MAX_TEXT_BYTES,
    Block,
    LlmInstance,
    Payload,
    Workflow,
)


def _short_enough(text: str) -> str:
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"has {size:,} bytes in UTF-8; at most {MAX_TEXT_BYTES:,} are kept")
    return text


Content = Annotated[str, AfterValidator(_short_enough), Field(json_schema_extra={"maxLength": MAX_TEXT_BYTES})]


STORED = frozenset({"id", "version", "created_at", "updated_at"})
"""What every stored definition tells of itself, and no request says."""


class Stored(View):
    """What every stored definition tells of itself."""

    id: int
    version: int
    created_at: str
    updated_at: str


def own_fields(definition: Block | Payload | Workflow | LlmInstance, *names: str) -> dict[str, Any]:
    """What every definition tells of itself, and these fields of it."""
    return {name: getattr(definition, name) for name in ("id", "version", "created_at", "updated_at", *names)}
