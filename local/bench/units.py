"""DynamoDB's request units, by its documented rules. Pure functions of stored items.

Sources: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

READ_BYTES = 4096
WRITE_BYTES = 1024
CONTAINER_BYTES = 3  # of a list or a map, and 1 for each of its elements

type Item = Mapping[str, Any]
"""Attributes with their type, such as ``{"pk": {"S": "…"}}``."""


def item_bytes(item: Item) -> int:
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Mapping[str, Any]) -> int:
    """Of one attribute value."""
    ((kind, content),) = value.items()
    match kind:
        case "S" | "B":  # base64, which is longer than its bytes; Baton stores none
            return len(content.encode())
        case "N":
            return number_bytes(content)
        case "SS" | "NS" | "BS":
            return sum(value_bytes({kind[0]: each}) for each in content)
        case "M":
            return CONTAINER_BYTES + item_bytes(content) + len(content)
        case "L":
            return CONTAINER_BYTES + sum(value_bytes(each) + 1 for each in content)
        case _:  # BOOL, NULL
            return 1


def number_bytes(text: str) -> int:
    """Approximately: 1 byte for each two significant digits, and 1; the documentation gives no more."""
    digits = text.lstrip("-").partition("e")[0].replace(".", "").strip("0")
    return math.ceil(len(digits) / 2) + 1 + text.startswith("-")


def read_units(size: int, *, is_consistent: bool) -> float:
    """Of one item by its key, or of all items that a query reads. An item that does not exist has size 0."""
    return max(1, math.ceil(size / READ_BYTES)) * (1 if is_consistent else 0.5)


def write_units(old: Item | None, new: Item | None, *, is_transactional: bool = False) -> int:
    """Of the table; the larger of the item before and after counts."""
    size = max(item_bytes(item) if item else 0 for item in (old, new))
    return max(1, math.ceil(size / WRITE_BYTES)) * (2 if is_transactional else 1)


def index_write_units(attributes: Iterable[str], keys: Iterable[str], old: Item | None, new: Item | None) -> int:
    """Of one index, which stores these attributes of the items that have all of its keys.

    A changed key costs two writes, a delete and a put; an unchanged entry costs none.
    """
    stored, keys = set(attributes), tuple(keys)
    before, after = (entry(stored, keys, item) for item in (old, new))
    if before == after:
        return 0
    if before and after and all(before[key] == after[key] for key in keys):
        return write_units(before, after)
    return sum(write_units(None, each) for each in (before, after) if each)


def entry(attributes: set[str], keys: Iterable[str], item: Item | None) -> Item | None:
    """What the index stores of the item."""
    if item is None or any(key not in item for key in keys):
        return None
    return {name: value for name, value in item.items() if name in attributes}
