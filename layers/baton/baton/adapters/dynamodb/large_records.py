"""Records that are too large for a DynamoDB item: their long fields are kept beside the table, as one object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb.items import Item
from baton.adapters.dynamodb.responses import RECORD_KEY, Texts

MAX_ITEM_BYTES = 350_000
"""An item may have 400 KB, names of attributes included.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

LONG_FIELDS = ("content", "blocks", "settings", "defaults", "template", "references", "targets", "fallbacks")
"""What keys, conditions, listings and searches for referrers do without."""


def stored(item: Item, texts: Texts, folder: str) -> Item:
    """The item as it fits into the table; its long fields are stored on the way if it doesn't."""
    if item_bytes(item) <= MAX_ITEM_BYTES:
        return item
    return {**_short(item), RECORD_KEY: {"S": texts.put(folder, _long_text(item))}}


def stored_key(item: Item, texts: Texts, folder: str) -> str | None:
    """Where the item's long fields have been stored, if they have; the same item always has the same key."""
    return None if item_bytes(item) <= MAX_ITEM_BYTES else texts.key(folder, _long_text(item))


def sent_bytes(item: Item) -> int:
    """What the item takes in a request that writes it: as JSON, in which a quote has two bytes and an emoji twelve.

    DynamoDB goes by the item's own size, which is never more; the emulator by this one.
    """
    return len(json.dumps(item if item_bytes(item) <= MAX_ITEM_BYTES else _short(item)))


def whole(item: Item, texts: Texts) -> Item:
    """The item with its long fields.

    :raises TextGone: if they are no longer there, since the record was replaced or deleted after the item was read.
    """
    if RECORD_KEY not in item:
        return item
    return {**item, **json.loads(texts.get(item[RECORD_KEY]["S"]))}


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item as DynamoDB counts it, but for the few bytes of its structure."""
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


def _short(item: Item) -> Item:
    return {name: value for name, value in item.items() if name not in LONG_FIELDS}


def _long_text(item: Item) -> str:
    return json.dumps({name: item[name] for name in LONG_FIELDS if name in item}, ensure_ascii=False)
