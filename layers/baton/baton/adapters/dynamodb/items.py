"""Records as DynamoDB items and back.

An item has the record's fields under their own names. Nested values and fractions are kept as JSON text: they are
written and read whole, and JSON keeps them exact where DynamoDB's numbers would not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from baton.adapters.dynamodb.codecs.settings import settings_from_map
from baton.adapters.dynamodb.keys import Key
from baton.domain.catalog.definitions import InlineBlock
from baton.domain.llm.endpoints import LlmEndpoint, LlmLimits, LlmPrice
from baton.domain.prompts import Reference
from baton.domain.runs.run import LlmTarget

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

type Item = dict[str, AttributeValueTypeDef]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def _limits(value: dict[str, Any] | None) -> LlmLimits | None:
    return None if value is None else LlmLimits(**value)


def _endpoint(value: dict[str, Any]) -> LlmEndpoint:
    return LlmEndpoint(**(value | {"limits": _limits(value.get("limits"))}))


def _target(value: dict[str, Any]) -> LlmTarget:
    return LlmTarget(
        endpoint=_endpoint(value["endpoint"]),
        settings=settings_from_map(value["settings"]),
        references=_references(value.get("references", ())),
    )


def _references(values: Iterable[dict[str, Any]]) -> tuple[Reference, ...]:
    return tuple(Reference(**(value | {"path": tuple(value.get("path", ()))})) for value in values)


def _blocks(value: tuple[Any, ...]) -> tuple[int | InlineBlock, ...]:
    return tuple(InlineBlock(**block) if isinstance(block, dict) else block for block in value)


_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "defaults": settings_from_map,
    "endpoint": _endpoint,
    "fallbacks": lambda value: tuple(_target(target) for target in value),
    "limits": _limits,
    "metadata": dict,
    "price": lambda value: LlmPrice(**value),
    "references": _references,
    "settings": settings_from_map,
    "timeout_seconds": float,
    "tokens_per_second": float,
    "variables": dict,
}
"""The fields that are kept as JSON text, and what each is read as."""


def to_item(values: Mapping[str, Any]) -> Item:
    """Plain values as an item; what is ``None`` is left out."""
    return {name: _serialize(_stored(name, value)) for name, value in values.items() if value is not None}


def record_to_item(record: DataclassInstance, key: Key, **extra: Any) -> Item:
    """A record under its key, with what its indexes need besides."""
    return to_item({**key, **{f.name: getattr(record, f.name) for f in fields(record)}, **extra})


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item's plain values: whole numbers as ``int``, lists as tuples."""
    return {name: _read(name, _plain(_deserialize(value))) for name, value in item.items()}


def record_from_item[R: DataclassInstance](kind: type[R], item: Mapping[str, Any]) -> R:
    """The record that an item holds; attributes that it has no field for are passed over."""
    names = {f.name for f in fields(kind)}
    return kind(**{name: value for name, value in from_item(item).items() if name in names})


def _stored(name: str, value: Any) -> Any:
    if name in _FROM_JSON:
        return json.dumps(value, ensure_ascii=False, default=_as_json)
    return (
        [asdict(entry) if isinstance(entry, InlineBlock) else entry for entry in value]
        if isinstance(value, tuple)
        else value
    )


def _as_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _read(name: str, value: Any) -> Any:
    if name in _FROM_JSON:
        return _FROM_JSON[name](json.loads(value))
    return _blocks(value) if name == "blocks" else value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    return tuple(_plain(entry) for entry in value) if isinstance(value, list) else value
