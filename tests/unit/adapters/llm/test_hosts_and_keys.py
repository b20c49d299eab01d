"""The URL of each base URL, and what differs by host: the header of the key, the name of ``max_tokens``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from baton.adapters.llm.http.wire import HttpRequest
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import LlmRefused
from baton.domain.llm.calls import LlmCall

Build = Callable[..., LlmCall]
KEY = "sk-test-0123456789"
BEARER = {"Authorization": f"Bearer {KEY}"}
API_KEY = {"api-key": KEY}
AZURE = "https://r.openai.azure.com/openai"


def of_the_key(request: HttpRequest) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if KEY in value}


@pytest.mark.parametrize(
    ("base_url", "url", "models_url", "headers"),
    [
        (
            "https://api.openai.com/v1",
            "https://api.openai.com/v1/chat/completions",
            "https://api.openai.com/v1/models",
            BEARER,
        ),
        (
            "http://localhost:11434/v1",
            "http://localhost:11434/v1/chat/completions",
            "http://localhost:11434/v1/models",
            BEARER,
        ),
        (
            "http://127.0.0.1:5001/v1/chat/completions",
            "http://127.0.0.1:5001/v1/chat/completions",
            "http://127.0.0.1:5001/v1/models",
            BEARER,
        ),
        (
            "https://openrouter.ai/api/v1/",
            "https://openrouter.ai/api/v1/chat/completions",
            "https://openrouter.ai/api/v1/models",
            BEARER,
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            "https://generativelanguage.googleapis.com/v1beta/openai/models",
            BEARER,
        ),
        (
            f"{AZURE}/deployments/gpt-4o?api-version=2024-10-21",
            f"{AZURE}/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            f"{AZURE}/deployments/gpt-4o/models?api-version=2024-10-21",
            API_KEY,
        ),
        (
            f"{AZURE}/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            f"{AZURE}/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            f"{AZURE}/deployments/gpt-4o/models?api-version=2024-10-21",
            API_KEY,
        ),
        (f"{AZURE}/v1/", f"{AZURE}/v1/chat/completions", f"{AZURE}/v1/models", API_KEY),
        (
            "https://R.Services.AI.Azure.com/models?api-version=2024-05-01-preview",
            "https://R.Services.AI.Azure.com/models/chat/completions?api-version=2024-05-01-preview",
            "https://R.Services.AI.Azure.com/models?api-version=2024-05-01-preview",
            API_KEY,
        ),
        (
            "https://r.cognitiveservices.azure.com./openai/v1",
            "https://r.cognitiveservices.azure.com./openai/v1/chat/completions",
            "https://r.cognitiveservices.azure.com./openai/v1/models",
            API_KEY,
        ),
        (
            "https://notopenai.azure.com.example/v1",
            "https://notopenai.azure.com.example/v1/chat/completions",
            "https://notopenai.azure.com.example/v1/models",
            BEARER,
        ),
        (
            "https://myopenai.azure.com/v1",
            "https://myopenai.azure.com/v1/chat/completions",
            "https://myopenai.azure.com/v1/models",
            BEARER,
        ),
    ],
)
def test_each_base_url_has_its_path_and_its_key_header(
    a_call: Build, base_url: str, url: str, models_url: str, headers: dict[str, str]
) -> None:
    call = a_call(base_url=base_url)
    for request, expected in ((openai.request(call), url), (openai.models_request(call), models_url)):
        assert (request.url, of_the_key(request)) == (expected, headers)


@pytest.mark.parametrize(
    ("base_url", "models_url"),
    [
        (None, "https://api.anthropic.com/v1/models?limit=1000"),
        ("https://a.example/v1/messages", "https://a.example/v1/models?limit=1000"),
        ("https://a.example/anthropic/v1/?x=1", "https://a.example/anthropic/v1/models?x=1&limit=1000"),
    ],
)
def test_models_of_anthropic_are_requested_in_one_page(a_call: Build, base_url: str | None, models_url: str) -> None:
    request = anthropic.models_request(a_call(base_url=base_url))
    assert (request.method, request.url) == ("GET", models_url)
    assert request.headers == {"Accept": "application/json", "anthropic-version": "2023-06-01", "x-api-key": KEY}


@pytest.mark.parametrize(
    ("base_url", "api_key_header", "headers"),
    [
        ("https://a.example/v1", "X-Gateway-Key", {"X-Gateway-Key": KEY}),
        ("https://a.example/v1", "authorization", BEARER),
        ("https://a.example/v1", "AUTHORIZATION", BEARER),
        (AZURE, "Authorization", BEARER),
        (AZURE, "Ocp-Apim-Subscription-Key", {"Ocp-Apim-Subscription-Key": KEY}),
    ],
)
def test_the_header_of_an_instance_contains_the_key(
    a_call: Build, base_url: str, api_key_header: str, headers: dict[str, str]
) -> None:
    call = a_call(base_url=base_url, api_key_header=api_key_header)
    for request in (openai.request, openai.models_request, anthropic.request, anthropic.models_request):
        assert of_the_key(request(call)) == headers


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Content-Type", "X Key", "X\nKey", ":", "é", "\u2603"]
)
@pytest.mark.parametrize("key", [KEY, None])
def test_a_reserved_or_invalid_header_never_contains_the_key(a_call: Build, name: str, key: str | None) -> None:
    for request in (openai.request, openai.models_request, anthropic.request, anthropic.models_request):
        with pytest.raises(LlmRefused, match="'demo' has an api_key_header that can't contain a key") as caught:
            request(a_call(api_key_header=name, api_key=key))
        assert KEY not in str(caught.value)


def test_without_a_key_no_header_is_sent_for_it(a_call: Build) -> None:
    call = a_call(api_key=None, api_key_header="X-Gateway-Key")
    for request in (openai.request, openai.models_request, anthropic.request, anthropic.models_request):
        assert not {"X-Gateway-Key", "x-api-key", "Authorization"} & request(call).headers.keys()


@pytest.mark.parametrize(
    ("base_url", "settings", "sent"),
    [
        ("https://api.openai.com/v1", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("https://eu.api.openai.com/v1", {"max_tokens": 0}, {"max_completion_tokens": 0}),
        ("https://api.openai.com/v1", {}, {}),
        ("https://a.example/v1", {"max_tokens": 5}, {"max_tokens": 5}),
        (AZURE, {"max_tokens": 5}, {"max_tokens": 5}),
        ("https://api.openai.com/v1", {"max_tokens": 5, "options": {"max_tokens": 7}}, {"max_tokens": 7}),
        (
            "https://api.openai.com/v1",
            {"max_tokens": 5, "options": {"max_completion_tokens": 7}},
            {"max_completion_tokens": 7},
        ),
        (
            "https://a.example/v1",
            {"max_tokens": 5, "options": {"max_completion_tokens": 7}},
            {"max_completion_tokens": 7},
        ),
    ],
)
def test_max_tokens_has_the_name_that_the_host_expects_unless_an_option_sets_it(
    a_call: Build, base_url: str, settings: dict[str, Any], sent: dict[str, int]
) -> None:
    body = json.loads(openai.request(a_call(base_url=base_url, **settings)).body)
    assert {name: body[name] for name in body if name.startswith("max_")} == sent
