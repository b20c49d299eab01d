"""API keys of LLM instances, each with the only destination that it may be sent to.

The base URL of an instance can change, and a run uses the base URL from its start. So each key is stored with its
destination, and is returned only for a call to that destination.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from baton.domain.errors import LlmRefused
from baton.domain.llm.base_urls import BaseUrlError, origin_of

MAX_TEXT_BYTES = 4096
"""The limit of a standard SSM parameter."""

NO_KEY = ""
"""The value that removes the instance's key."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a call goes: the origin (scheme, host and port; ``None`` for a provider without one) and the provider."""

    origin: str | None
    provider: str

    def __str__(self) -> str:
        """For error details."""
        return f"{self.origin or 'no address'} (provider {self.provider!r})"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and its destination. Only :meth:`to_text` and :meth:`for_call` return the key itself."""

    destination: Destination
    _key: str = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """The key stored as this text; ``None`` for a key stored without a destination, as in early versions."""
        try:
            match json.loads(text):
                case {"origin": str() | None as origin, "provider": str(provider), "key": str(key)}:
                    return cls(Destination(origin, provider), key)
        except (ValueError, RecursionError):
            pass
        return None

    def to_text(self) -> str:
        """The text to store. Double braces are escaped: SSM reads them as a reference to another parameter."""
        stored = {"origin": self.destination.origin, "provider": self.destination.provider, "key": self._key}
        return json.dumps(stored).replace("{{", "{\\u007b").replace("}}", "}\\u007d")

    def is_for(self, destination: Destination) -> bool:
        """Whether the key may be sent to this destination."""
        return self.destination == destination

    def for_call(self, instance_id: int, destination: Destination) -> str:
        """The key, for a call to this destination.

        :raises LlmRefused: if the key was set for another destination.
        """
        if not self.is_for(destination):
            raise LlmRefused(
                f"The API key of LLM instance {instance_id} was set for {self.destination}, but this call goes to "
                f"{destination}; nothing was sent. Set the key again for the new address, or start a new run with "
                f"the newest definitions."
            )
        return self._key


def key_from(text: str, instance_id: int, destination: Destination) -> str:
    """The key stored as this text, for a call to this destination.

    :raises LlmRefused: if the key was set for another destination, or stored without one.
    """
    key = ApiKey.from_text(text)
    if key is None:
        raise LlmRefused(
            f"The API key of LLM instance {instance_id} was stored without the address it is for; set it again."
        )
    return key.for_call(instance_id, destination)


def destination_of(provider: str, base_url: str | None, base_urls: Mapping[str, str]) -> Destination:
    """Where calls to an endpoint go; ``base_urls`` contains the default of each provider.

    :raises BaseUrlError: if the base URL is invalid.
    """
    address = base_url or base_urls.get(provider)
    return Destination(origin_of(address) if address else None, provider)


def destination_of_call(provider: str, base_url: str | None, base_urls: Mapping[str, str]) -> Destination:
    """As :func:`destination_of`, for a call.

    :raises LlmRefused: if the base URL is invalid; it may have been saved before such URLs were rejected.
    """
    try:
        return destination_of(provider, base_url, base_urls)
    except BaseUrlError as error:
        raise LlmRefused(f"The API key isn't sent: the base URL {error}.") from None
