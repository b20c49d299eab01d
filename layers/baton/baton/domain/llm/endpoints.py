"""The endpoint of an LLM call, its price and its limits."""

from __future__ import annotations

from dataclasses import dataclass

from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmPrice:
    """The price of an instance, in US dollars per million tokens."""

    prompt: float
    completion: float


def cost_of(price: LlmPrice | None, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
    """In US dollars; ``None`` if the price or a count is not known."""
    if price is None or prompt_tokens is None or completion_tokens is None:
        return None
    return (prompt_tokens * price.prompt + completion_tokens * price.completion) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmLimits:
    """The limits of an instance over all runs together; ``None`` is no limit."""

    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmEndpoint:
    """Where a call goes. ``has_api_key``: a key is stored for the instance; it is never part of this record.

    ``api_key_header`` is the header that contains the key, if it is not the provider's default.
    """

    instance_id: int
    instance_name: str
    provider: str
    base_url: str | None
    model: str
    timeout_seconds: float
    has_api_key: bool = False
    api_key_header: str | None = None
    limits: LlmLimits | None = None
    price: LlmPrice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmTarget:
    """One of the instances that may answer a payload, and the payload's settings with its defaults.

    ``references`` are those of the ``system`` text, which is the payload's or, by default, the instance's.
    """

    endpoint: LlmEndpoint
    settings: LlmSettings
    references: tuple[Reference, ...] = ()
