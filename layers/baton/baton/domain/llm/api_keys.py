"""API keys of LLM instances: each with the only place that it may be sent to.

An address can be exchanged under a key, and a run keeps the address that it was started with; so a key says itself
where it may go, and is handed out for a call to there only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from baton.domain.errors import LlmRefused
from baton.domain.llm.base_urls import BaseUrlError, origin_of

MAX_TEXT_BYTES = 4096
"""A standard parameter of SSM holds no more."""

NO_KEY = ""
"""Said in the place of a key: from now on the instance has none."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a call goes: scheme, host and port (``None`` for a provider without an address), and whose API it is."""

    origin: str | None
    provider: str

    def __str__(self) -> str:
        """As it stands in a sentence."""
        return f"{self.origin or 'no address'} (provider {self.provider!r})"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, and where it may be sent. The key itself is read by :meth:`text` and :meth:`for_call` only."""

    destination: Destination
    _key: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Self | None:
        """The key that was kept as this text; ``None`` for a bare key, as they were kept before they said for where."""
        try:
            match json.loads(text):
                case {"origin": str() | None as origin, "provider": str(provider), "key": str(key)}:
                    return cls(Destination(origin, provider), key)
        except (ValueError, RecursionError):
            pass
        return None

    def text(self) -> str:
        """As it is kept. Braces are never doubled: SSM takes two for a reference to another parameter."""
        kept = {"origin": self.destination.origin, "provider": self.destination.provider, "key": self._key}
        return json.dumps(kept).replace("{{", "{\\u007b").replace("}}", "}\\u007d")

    def is_for(self, destination: Destination) -> bool:
        """Whether it may be sent there."""
        return self.destination == destination

    def for_call(self, instance_id: int, destination: Destination) -> str:
        """The key, for a call to there.

        :raises LlmRefused: if it was given for another place.
        """
        if not self.is_for(destination):
            raise LlmRefused(
                f"The API key of LLM instance {instance_id} was given for {self.destination}, but this call goes to "
                f"{destination}; nothing was sent. Set the key again for the address that it is for, or start a new "
                f"run with the newest definitions."
            )
        return self._key


def key_from(text: str, instance_id: int, destination: Destination) -> str:
    """The key that was kept as this text, for a call to there.

    :raises LlmRefused: if it was given for another place, or doesn't say for which.
    """
    key = ApiKey.of(text)
    if key is None:
        raise LlmRefused(
            f"The API key of LLM instance {instance_id} was stored without the address it is for; set it again."
        )
    return key.for_call(instance_id, destination)


def destination_of(provider: str, base_url: str | None, base_urls: Mapping[str, str]) -> Destination:
    """Where calls to an endpoint go; ``base_urls`` are those that providers have of their own.

    :raises BaseUrlError: if the address can't be read.
    """
    address = base_url or base_urls.get(provider)
    return Destination(origin_of(address) if address else None, provider)


def destination_of_call(provider: str, base_url: str | None, base_urls: Mapping[str, str]) -> Destination:
    """As :func:`destination_of`, for a call.

    :raises LlmRefused: if the address can't be read: it was saved before such ones were refused.
    """
    try:
        return destination_of(provider, base_url, base_urls)
    except BaseUrlError as error:
        raise LlmRefused(f"The API key isn't sent: the base URL {error}.") from None
