"""LLM instances. Defaults, price, limits and the timeout are JSON texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import Item, as_json, from_attributes, from_json, to_attributes
from baton.adapters.dynamodb.codecs.settings import settings_from_map, settings_to_map
from baton.domain.catalog.definitions import LlmInstance
from baton.domain.llm.endpoints import LlmLimits, LlmPrice

ADDED_SINCE: Mapping[str, Any] = {
    "defaults": "{}",
    "timeout_seconds": "120",
    "has_api_key": False,
    "api_key_version": 0,
}
"""What older items lack, beside fields that may be ``None``."""


def llm_instance_to_item(tenant: str, instance: LlmInstance) -> Item:
    """The LLM instance under its key, with the set that a search for referrers reads."""
    return to_attributes(
        {
            **keys.definition(tenant, instance.kind, instance.id),
            "id": instance.id,
            "version": instance.version,
            "created_at": instance.created_at,
            "updated_at": instance.updated_at,
            "name": instance.name,
            "provider": instance.provider,
            "model": instance.model,
            "base_url": instance.base_url,
            "defaults": as_json(settings_to_map(instance.defaults)),
            "timeout_seconds": as_json(instance.timeout_seconds),
            "price": as_json(price_to_map(instance.price)),
            "has_api_key": instance.has_api_key,
            "api_key_version": instance.api_key_version,
            "api_key_header": instance.api_key_header,
            "limits": as_json(limits_to_map(instance.limits)),
            "fallback": instance.fallback,
            "refers_to": keys.targets(instance.refers_to),
        }
    )


def llm_instance_from_item(item: Mapping[str, Any]) -> LlmInstance:
    """The LLM instance that an item contains."""
    stored = {**ADDED_SINCE, **from_attributes(item)}
    return LlmInstance(
        id=stored["id"],
        version=stored["version"],
        created_at=stored["created_at"],
        updated_at=stored["updated_at"],
        name=stored["name"],
        provider=stored["provider"],
        model=stored["model"],
        base_url=stored.get("base_url"),
        defaults=settings_from_map(from_json(stored["defaults"])),
        timeout_seconds=float(from_json(stored["timeout_seconds"])),
        price=price_from_map(from_json(stored.get("price"))),
        has_api_key=stored["has_api_key"],
        api_key_version=stored["api_key_version"],
        api_key_header=stored.get("api_key_header"),
        limits=limits_from_map(from_json(stored.get("limits"))),
        fallback=stored.get("fallback"),
    )


def limits_to_map(limits: LlmLimits | None) -> dict[str, Any] | None:
    """Limits inside a record, as JSON values."""
    return (
        None
        if limits is None
        else {
            "max_concurrency": limits.max_concurrency,
            "requests_per_minute": limits.requests_per_minute,
            "tokens_per_minute": limits.tokens_per_minute,
        }
    )


def limits_from_map(stored: Mapping[str, Any] | None) -> LlmLimits | None:
    """The limits that a record contains, if it has any."""
    return (
        None
        if stored is None
        else LlmLimits(
            max_concurrency=stored.get("max_concurrency"),
            requests_per_minute=stored.get("requests_per_minute"),
            tokens_per_minute=stored.get("tokens_per_minute"),
        )
    )


def price_to_map(price: LlmPrice | None) -> dict[str, Any] | None:
    """A price inside a record, as JSON values."""
    return None if price is None else {"prompt": price.prompt, "completion": price.completion}


def price_from_map(stored: Mapping[str, Any] | None) -> LlmPrice | None:
    """The price that a record contains, if it has one."""
    return None if stored is None else LlmPrice(prompt=stored["prompt"], completion=stored["completion"])
