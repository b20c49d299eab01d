"""All providers by name. To add one, add a folder to ``providers/`` and an entry to ``PROVIDERS``."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from baton.adapters.llm.formats import json_answers, model_lists, schemas
from baton.adapters.llm.http.http_transport import PUBLIC_ONLY, HttpTransport
from baton.adapters.llm.provider import Provider
from baton.adapters.llm.providers import anthropic, bedrock, openai, simulated
from baton.domain.errors import LlmRefused
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.endpoints import LlmEndpoint
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting

PROVIDERS: Mapping[str, Provider] = {
    "anthropic": anthropic.PROVIDER,
    "bedrock": bedrock.PROVIDER,
    "openai": openai.PROVIDER,
    "simulated": simulated.PROVIDER,
}


def base_urls(providers: Mapping[str, Provider] = PROVIDERS) -> Mapping[str, str]:
    """The default base URLs, of the providers that have one."""
    return {name: provider.base_url for name, provider in providers.items() if provider.base_url}


def fields_error(provider: str, fields: Collection[str], providers: Mapping[str, Provider] = PROVIDERS) -> str | None:
    """Why an LLM instance of this provider can't have exactly these optional ``fields``.

    ``None`` if it can, and for an unknown provider.
    """
    return providers[provider].fields_error(provider, fields) if provider in providers else None


def complete(
    call: LlmCall,
    listener: AnswerListener | None = None,
    transport: HttpTransport = PUBLIC_ONLY,
    providers: Mapping[str, Provider] = PROVIDERS,
    clock: Callable[[], float] = time.monotonic,
) -> LlmAnswer:
    """Call the LLM through its provider; the answer is in the requested response format.

    The answer is streamed if there is a listener, unless the call's settings turn streaming off.
    Raises ``LlmError``: ``LlmRefused`` for an unknown provider and for settings that it doesn't support, since the
    instance may have changed its provider after the payload was saved.
    """
    provider = _provider(call.endpoint, providers)
    for unsupported in unsupported_settings(call.endpoint.provider, call.settings, providers):
        what = f"{unsupported.setting}: {unsupported.detail}"
        raise LlmRefused(f"LLM instance {call.endpoint.instance_name!r} can't be called with these settings: {what}.")
    stream_to = None if call.settings.stream is False else listener
    complete_once = partial(_complete_once, provider, listener=stream_to, transport=transport)
    if call.settings.response_format in (None, "text"):
        return complete_once(call)
    return json_answers.complete_json(complete_once, call, clock)


def _complete_once(
    provider: Provider, call: LlmCall, listener: AnswerListener | None, transport: HttpTransport
) -> LlmAnswer:
    if listener is None or provider.streams:
        return provider.complete(call, listener, transport)
    listener.on_start()
    answer = provider.complete(call, None, transport)
    listener.on_text(answer.content)
    return answer


def check(
    call: LlmCall, transport: HttpTransport = PUBLIC_ONLY, providers: Mapping[str, Provider] = PROVIDERS
) -> Sequence[str] | None:
    """The models that the call's endpoint offers, ``None`` where it has no list of them.

    Raises ``LlmError`` if the endpoint can't be reached or refuses the call, and for an unknown provider as
    ``complete`` does. Where there is no list, a short question is sent in place of the call's prompt.
    """
    provider = _provider(call.endpoint, providers)
    if provider.check is not None:
        return provider.check(call, transport)
    provider.complete(model_lists.question(call, call.timeout_seconds), None, transport)
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
    """The settings that the provider doesn't support; no provider supports an invalid JSON Schema."""
    wanted = settings.response_format
    error = schemas.schema_error(wanted) if isinstance(wanted, Mapping) else None
    if error is not None:
        return [UnsupportedSetting("response_format", error)]
    return list(providers[provider].unsupported_settings(settings)) if provider in providers else []
