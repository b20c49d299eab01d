"""Which function answers for which provider. A new provider is a new file and a new line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from baton.adapters.llm import openai, simulated
from baton.domain.errors import LlmRefused
from baton.domain.llm import LlmAnswer, LlmCall

Provider = Callable[[LlmCall], LlmAnswer]
"""Raises nothing but ``LlmError``."""

PROVIDERS: Mapping[str, Provider] = {"openai": openai.complete, "simulated": simulated.complete}
PROVIDER_NAMES = tuple(PROVIDERS)
"""What an instance may name as its provider when it is saved."""


def complete(call: LlmCall, providers: Mapping[str, Provider] = PROVIDERS) -> LlmAnswer:
    """Let the call's own provider answer; a provider that isn't registered (any more) is refused by name."""
    endpoint = call.endpoint
    if endpoint.provider not in providers:
        known = ", ".join(providers)
        raise LlmRefused(
            f"LLM instance {endpoint.instance_name!r} has an unknown provider {endpoint.provider!r}; known are {known}."
        )
    return providers[endpoint.provider](call)
