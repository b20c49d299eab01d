"""Records that are too large for a DynamoDB item: their long fields are stored in S3, as one object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb.codecs.attributes import Item
from baton.adapters.dynamodb.responses import RECORD_KEY, Texts

MAX_ITEM_BYTES = 350_000
"""An item can have 400 KB, including the names of its attributes.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

LONG_FIELDS = ("content", "blocks", "settings", "defaults", "template", "references", "targets", "fallbacks")
"""Fields that no key, condition, listing or search for referrers uses."""


def store_long_fields(item: Item, texts: Texts, folder: str, max_bytes: int = MAX_ITEM_BYTES) -> Item:
    """The item to write to the table. If it is too large, its long fields are stored in S3 first."""
    if item_bytes(item) <= max_bytes:
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
