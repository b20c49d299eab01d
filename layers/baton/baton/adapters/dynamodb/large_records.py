"""Records that are too large for a DynamoDB item: their long texts are stored in S3.

Of a response, each long text is an object of its own, and its first bytes are in the item. Of any other record, all
long fields are one object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item
from baton.adapters.dynamodb.codecs.response import response_to_item
from baton.domain.runs.responses import Response

MAX_ITEM_BYTES = 350_000
"""An item can have 400 KB, including the names of its attributes.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

LONG_FIELDS = ("content", "blocks", "settings", "defaults", "template", "references", "targets")
"""Fields that no key, condition, listing or search for referrers uses."""

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


def store_long_fields(item: Item, texts: Texts, folder: str) -> Item:
    """The item to write to the table. If it is too large, its long fields are stored in S3 first."""
    if item_bytes(item) <= MAX_ITEM_BYTES:
        return item
    return {**_without_long_fields(item), RECORD_KEY: {"S": texts.put(folder, _long_fields_text(item))}}


def long_fields_key(item: Item, texts: Texts, folder: str) -> str | None:
    """The S3 key of the item's long fields; ``None`` if they fit into the item. Equal items have the same key."""
    return None if item_bytes(item) <= MAX_ITEM_BYTES else texts.key(folder, _long_fields_text(item))


def request_bytes(item: Item) -> int:
    """The size of the item in a request: as JSON, in which a quote has two bytes and an emoji twelve.

    DynamoDB counts the size of the item, which is never larger; the emulator counts this size.
    """
    return len(json.dumps(item if item_bytes(item) <= MAX_ITEM_BYTES else _without_long_fields(item)))


def with_long_fields(item: Item, texts: Texts) -> Item:
    """The item with its long fields.

    :raises TextGone: if the object no longer exists, because the record was replaced or deleted after this read.
    """
    if RECORD_KEY not in item:
        return item
    return {**item, **json.loads(texts.get(item[RECORD_KEY]["S"]))}


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item as DynamoDB counts it, without the few bytes of its structure."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def store_long_texts(response: Response, texts: Texts) -> Item:
    """The item of a response to write to the table; its long texts are stored in S3 first."""
    folder = f"{keys.run_texts(response.tenant, response.run_id)}/responses/{response.position:04d}"
    content, content_key = _store_if_long(response.content, texts, folder)
    prompt, prompt_key = _store_if_long(response.prompt or "", texts, folder)
    return response_to_item(
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


def _value_bytes(value: Any) -> int:
    match value:
        case str():
            return len(value.encode())
        case dict():
            return item_bytes(value)
        case list() | tuple() | set():
            return sum(_value_bytes(entry) for entry in value)
        case _:
            return 1


def _without_long_fields(item: Item) -> Item:
    return {name: value for name, value in item.items() if name not in LONG_FIELDS}


def _long_fields_text(item: Item) -> str:
    return json.dumps({name: item[name] for name in LONG_FIELDS if name in item}, ensure_ascii=False)


def _store_if_long(text: str, texts: Texts, folder: str) -> tuple[str, str | None]:
    """The part of the text to store in the item; if the text is longer, also the key of the whole text."""
    encoded = text.encode()
    if len(encoded) <= MAX_TEXT_BYTES:
        return text, None
    return encoded[:MAX_TEXT_BYTES].decode(errors="ignore"), texts.put(folder, text)
