"""Where an LLM call goes, what it costs there, and how much may be asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmPrice:
    """What an instance charges, in US dollars for a million tokens."""

    prompt: float
    completion: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmLimits:
    """What an instance may be asked for by all runs together; ``None`` is no limit."""

    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmEndpoint:
    """Where a call goes. ``has_api_key`` says that a secret is kept for the instance, never the secret itself.

    ``api_key_header`` is the header that carries the key, where it isn't the provider's usual one.
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
