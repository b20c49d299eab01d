"""LLM instances as clients write and read them."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Annotated, ClassVar, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from baton.api.bodies.fields import STORED, Id, Name, PlainText, Request, Stored, Whole, own_fields
from baton.api.bodies.settings import Settings, SettingsView, Timeout
from baton.domain.catalog.definitions import LlmInstance, LlmInstanceDraft
from baton.domain.llm.api_key_headers import header_name_error
from baton.domain.llm.api_keys import NO_KEY
from baton.domain.llm.base_urls import base_url_error
from baton.domain.llm.endpoints import LlmLimits, LlmPrice
from baton.runtime import wiring

PROVIDER_FIELDS = ("base_url", "api_key", "api_key_header")
"""Fields that some providers require, and others don't support."""

DEFAULT_TIMEOUT_SECONDS = 120


class Price(Request):
    """The price in US dollars per million tokens."""

    prompt: Annotated[float, Field(ge=0)]
    completion: Annotated[float, Field(ge=0)]


class Limits(Request):
    """Rate limits of an instance, shared by all runs; calls over a limit wait. ``null`` is no limit."""

    max_concurrency: Annotated[Whole, Field(ge=1, le=10_000)] | None = None
    requests_per_minute: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None
    tokens_per_minute: Annotated[Whole, Field(ge=1, le=1_000_000_000)] | None = None

    @classmethod
    def of(cls, limits: LlmLimits | None) -> Self | None:
        """The limits as clients read them."""
        return cls(**asdict(limits)) if limits else None

    def limits(self) -> LlmLimits | None:
        """The limits as a domain value; ``None`` if no limit is set."""
        limits = LlmLimits(**self.model_dump())
        return None if limits == LlmLimits() else limits


class LlmInstanceRequest(Request):
    """An LLM instance to create or replace. ``api_key`` is stored as a secret and never returned. In a replacement,
    ``null`` removes it; without the field the stored key remains, which is rejected if the provider or the scheme,
    host or port of ``base_url`` change."""

    read_only: ClassVar[frozenset[str]] = STORED | {"has_api_key"}
    name: Name
    provider: Annotated[str, Field(min_length=1, max_length=50)]
    base_url: Annotated[str, Field(max_length=2000)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=200), PlainText]
    defaults: Settings | None = Settings()
    timeout_seconds: Timeout | None = DEFAULT_TIMEOUT_SECONDS
    price: Price | None = None
    api_key: Annotated[SecretStr, Field(min_length=1, max_length=4000)] | None = None
    api_key_header: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="The header that contains the key, such as `api-key`, if it isn't the provider's default. "
        "In `authorization`, the key follows the word Bearer.",
    )
    limits: Limits | None = None
    fallback: Id | None = Field(
        default=None, description="The LLM instance that is called after the final failure of this one."
    )

    @field_validator("base_url")
    @classmethod
    def _require_valid_url(cls, value: str | None) -> str | None:
        if value is not None and (error := base_url_error(value)):
            raise ValueError(error)
        return value

    @field_validator("api_key")
    @classmethod
    def _require_sendable_key(cls, value: SecretStr | None) -> SecretStr | None:
        """Spaces around a pasted key are removed; other characters that no header allows are rejected."""
        if value is None:
            return None
        key = value.get_secret_value().strip()
        if not re.fullmatch(r"[!-~]+", key):
            raise ValueError(
                "contains a space, a line break or another character that HTTP headers don't allow; use "
                "letters, digits and marks of ASCII only"
            )
        return SecretStr(key)

    @field_validator("api_key_header")
    @classmethod
    def _require_valid_header(cls, value: str | None) -> str | None:
        if value is not None and (error := header_name_error(value)):
            raise ValueError(error)
        return value

    @model_validator(mode="after")
    def _require_fields_of_provider(self) -> Self:
        present = [name for name in PROVIDER_FIELDS if getattr(self, name) is not None]
        if error := wiring.provider_fields_error(self.provider, present):
            raise ValueError(error)
        return self

    def draft(self) -> LlmInstanceDraft:
        """The request as a draft, without the key."""
        return LlmInstanceDraft(
            name=self.name,
            provider=self.provider,
            base_url=self.base_url,
            model=self.model,
            defaults=replace((self.defaults or Settings()).settings(), unset=()),
            timeout_seconds=self.timeout_seconds or DEFAULT_TIMEOUT_SECONDS,
            price=LlmPrice(prompt=self.price.prompt, completion=self.price.completion) if self.price else None,
            api_key_header=self.api_key_header,
            limits=self.limits.limits() if self.limits else None,
            fallback=self.fallback,
        )

    def secret(self) -> str | None:
        """The key that was sent; ``NO_KEY`` for ``null``, ``None`` without the field."""
        if "api_key" not in self.model_fields_set:
            return None
        return self.api_key.get_secret_value() if self.api_key else NO_KEY


class LlmInstanceView(Stored):
    """An LLM instance. Its key is not returned; `has_api_key` is whether it has one."""

    name: str
    provider: str
    base_url: str | None
    model: str
    defaults: SettingsView
    timeout_seconds: float
    price: Price | None
    has_api_key: bool
    api_key_header: str | None
    limits: Limits | None
    fallback: int | None

    @classmethod
    def of(cls, instance: LlmInstance) -> LlmInstanceView:
        """The instance as clients read it."""
        names = (
            "name",
            "provider",
            "base_url",
            "model",
            "timeout_seconds",
            "has_api_key",
            "api_key_header",
            "fallback",
        )
        price = instance.price
        return cls(
            **own_fields(instance, *names),
            defaults=SettingsView.of(instance.defaults),
            limits=Limits.of(instance.limits),
            price=Price(prompt=price.prompt, completion=price.completion) if price else None,
        )
