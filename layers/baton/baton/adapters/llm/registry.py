"""Which module answers for which provider. A new provider is a new file and a new line here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from baton.adapters.llm.formats import json_answers, schemas
from baton.adapters.llm.formats import model_lists as checks
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.adapters.llm.providers.bedrock import converse as bedrock
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.adapters.llm.providers.simulated import simulation as simulated
from baton.domain.errors import LlmRefused
from baton.domain.llm.calls import LlmAnswer, LlmCall
from baton.domain.llm.endpoints import LlmEndpoint
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting


def takes_everything(_settings: LlmSettings) -> Iterable[UnsupportedSetting]:
    """For a provider that lacks nothing."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What a module of a provider offers.

    ``complete`` and ``check`` raise nothing but ``LlmError``. ``unsupported_settings`` tells, without a call, what the
    provider would not take. ``check`` returns the models that the endpoint lists, ``None`` where it lists none; a
    provider that never has a list can do without it. ``base_url`` is where calls go if an instance names no address.
    """

    complete: Callable[[LlmCall], LlmAnswer]
    unsupported_settings: Callable[[LlmSettings], Iterable[UnsupportedSetting]] = takes_everything
    check: Callable[[LlmCall], Sequence[str] | None] | None = None
    base_url: str | None = None


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider(
        complete=anthropic.complete,
        unsupported_settings=anthropic.unsupported_settings,
        check=anthropic.check,
        base_url=anthropic.BASE_URL,
    ),
    "bedrock": Provider(complete=bedrock.complete, unsupported_settings=bedrock.unsupported_settings),
    "openai": Provider(complete=openai.complete, unsupported_settings=openai.unsupported_settings, check=openai.check),
    "simulated": Provider(
        complete=simulated.complete, unsupported_settings=simulated.unsupported_settings, check=simulated.check
    ),
}
PROVIDER_NAMES = tuple(PROVIDERS)
"""What an instance may name as its provider when it is saved."""

BASE_URLS: Mapping[str, str] = {name: one.base_url for name, one in PROVIDERS.items() if one.base_url}
"""Where calls of an instance without a base URL go, for the providers that have an address of their own."""


def complete(
    call: LlmCall, providers: Mapping[str, Provider] = PROVIDERS, clock: Callable[[], float] = time.monotonic
) -> LlmAnswer:
    """Let the call's own provider answer, in the format that is asked for.

    A provider that isn't registered (any more) is refused by name, and so is a setting that it lacks: the instance may
    have got another provider since the payload was saved.
    """
    provider = _provider(call.endpoint, providers)
    for refusal in unsupported_settings(call.endpoint.provider, call.settings, providers):
        what = f"{refusal.setting}: {refusal.detail}"
        raise LlmRefused(f"LLM instance {call.endpoint.instance_name!r} can't be called with these settings: {what}.")
    if call.settings.response_format in (None, "text"):
        return provider.complete(call)
    return json_answers.ask(provider.complete, call, clock)


def check(call: LlmCall, providers: Mapping[str, Provider] = PROVIDERS) -> Sequence[str] | None:
    """The models that the call's endpoint offers, ``None`` where it tells none.

    Raises ``LlmError`` where it isn't there or refuses, and for an unknown provider as ``complete`` does. In place of
    the call's prompt a short question is asked, if nothing less will do.
    """
    provider = _provider(call.endpoint, providers)
    if provider.check is not None:
        return provider.check(call)
    provider.complete(checks.question(call, call.timeout_seconds))
    return None


def _provider(endpoint: LlmEndpoint, providers: Mapping[str, Provider]) -> Provider:
    if endpoint.provider not in providers:
        known = ", ".join(providers)
        raise LlmRefused(
            f"LLM instance {endpoint.instance_name!r} has an unknown provider {endpoint.provider!r}; known are {known}."
        )
    return providers[endpoint.provider]


def unsupported_settings(
    provider: str, settings: LlmSettings, providers: Mapping[str, Provider] = PROVIDERS
) -> Sequence[UnsupportedSetting]:
    """What the provider doesn't take of these settings; an unsound JSON Schema is taken by none."""
    wanted = settings.response_format
    fault = schemas.fault(wanted) if isinstance(wanted, Mapping) else None
    if fault is not None:
        return [UnsupportedSetting("response_format", fault)]
    return list(providers[provider].unsupported_settings(settings)) if provider in providers else []
