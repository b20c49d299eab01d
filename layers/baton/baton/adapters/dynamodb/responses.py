"""Responses as items: long texts are kept beside the table, with their beginning in the item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs import response as codec
from baton.adapters.dynamodb.codecs.attributes import Item
from baton.domain.runs.run import Response

MAX_TEXT_BYTES = 100_000
"""An item may have 400 KB; a response holds two texts, and its metadata."""


RECORD_KEY = "record_key"
"""Where an item says that fields of its record are kept beside the table."""


class TextGone(Exception):
    """A long text is no longer where it was."""


class Texts(Protocol):
    """Where long texts are kept."""

    def key(self, folder: str, text: str) -> str:
        """The key under which the text is stored; it tells the content."""

    def put(self, folder: str, text: str) -> str:
        """Store a text under a key of its own, and return that."""

    def get(self, key: str) -> str:
        """The whole text.

        :raises TextGone: if it isn't there.
        """

    def delete(self, key: str) -> None:
        """Remove the text."""


def response_to_item(response: Response, texts: Texts) -> Item:
    """The item of a response; what is too long for it is stored on the way."""
    folder = f"{keys.run_texts(response.tenant, response.run_id)}/responses/{response.position:04d}"
    content, content_key = _inline(response.content, texts, folder)
    prompt, prompt_key = _inline(response.prompt or "", texts, folder)
    return codec.response_to_item(
        replace(
            response,
            content=content,
            content_truncated=content_key is not None,
            content_key=content_key,
            content_bytes=len(response.content.encode()),
            prompt=prompt,
            prompt_truncated=prompt_key is not None,
            prompt_key=prompt_key,
            prompt_bytes=len((response.prompt or "").encode()),
        )
    )


def whole_content(item: Mapping[str, Any], texts: Texts) -> str:
    """The content alone, whole."""
    return texts.get(item["content_key"]["S"]) if "content_key" in item else str(item["content"]["S"])


def text_keys(item: Mapping[str, Any]) -> list[str]:
    """Where the item's long texts are."""
    return [item[name]["S"] for name in ("content_key", "prompt_key", RECORD_KEY) if name in item]


def _inline(text: str, texts: Texts, folder: str) -> tuple[str, str | None]:
    """What stands in the item, and the key of the whole where that is more."""
    encoded = text.encode()
    if len(encoded) <= MAX_TEXT_BYTES:
        return text, None
    return encoded[:MAX_TEXT_BYTES].decode(errors="ignore"), texts.put(folder, text)
