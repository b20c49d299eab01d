"""Responses as items. Long texts are stored in S3, with their first bytes in the item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs import response as codec
from baton.adapters.dynamodb.codecs.attributes import Item
from baton.domain.runs.run import Response

MAX_TEXT_BYTES = 100_000
"""Maximum of each text in an item. An item may have 400 KB; a response contains two texts and metadata."""

RECORD_KEY = "record_key"
"""The attribute with the S3 key of the fields that are too large for the item."""


class TextGone(Exception):
    """A long text no longer exists."""


class Texts(Protocol):
    """The storage of long texts."""

    def key(self, folder: str, text: str) -> str:
        """The key of a text; it is derived from the content."""

    def put(self, folder: str, text: str) -> str:
        """Store a text under its key, and return the key."""

    def get(self, key: str) -> str:
        """The whole text.

        :raises TextGone: if it does not exist.
        """

    def delete(self, key: str) -> None:
        """Delete the text."""


def response_to_item(response: Response, texts: Texts) -> Item:
    """The item of a response. Texts that are too long for it are stored in S3 first."""
    folder = f"{keys.run_texts(response.tenant, response.run_id)}/responses/{response.position:04d}"
    content, content_key = _store_if_long(response.content, texts, folder)
    prompt, prompt_key = _store_if_long(response.prompt or "", texts, folder)
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
    """The whole content of a response's item; a long one is read from S3."""
    return texts.get(item["content_key"]["S"]) if "content_key" in item else str(item["content"]["S"])


def text_keys(item: Mapping[str, Any]) -> list[str]:
    """The S3 keys of the item's long texts."""
    return [item[name]["S"] for name in ("content_key", "prompt_key", RECORD_KEY) if name in item]


def _store_if_long(text: str, texts: Texts, folder: str) -> tuple[str, str | None]:
    """The part of the text to store in the item; if the text is longer, also the key of the whole text."""
    encoded = text.encode()
    if len(encoded) <= MAX_TEXT_BYTES:
        return text, None
    return encoded[:MAX_TEXT_BYTES].decode(errors="ignore"), texts.put(folder, text)
