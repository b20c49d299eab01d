"""Plain values as DynamoDB attributes.

Nested values and fractions are stored as JSON text: they are written and read whole, and JSON keeps them exact where
DynamoDB's numbers would not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

type Item = dict[str, AttributeValueTypeDef]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_attributes(values: Mapping[str, Any]) -> Item:
    """Texts, whole numbers, booleans, sets, and lists and maps of these; ``None`` is left out."""
    return {name: _serialize(_listed(value)) for name, value in values.items() if value is not None}


def from_attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of an item: whole numbers as ``int``, lists as tuples."""
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def as_json(value: Any) -> str | None:
    """A nested value or a fraction as the text that is stored; ``None`` stays ``None``."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def from_json(text: str | None) -> Any:
    """The inverse of :func:`as_json`."""
    return None if text is None else json.loads(text)


def _listed(value: Any) -> Any:
    return [_listed(entry) for entry in value] if isinstance(value, tuple | list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    return tuple(_plain(entry) for entry in value) if isinstance(value, list) else value
