"""Checks of an endpoint and its list of models, with a real endpoint on this machine."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from baton.adapters.llm.formats import model_lists as checks
from baton.adapters.llm.http.wire import HttpReply
from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.adapters.llm.providers.openai import dialects as openai_dialects
from baton.adapters.llm.providers.openai.dialects import Dialect
from baton.adapters.llm.providers.simulated import simulation as simulated
from baton.domain.errors import (
    LlmAnswerInvalid,
    LlmError,
    LlmRefused,
    LlmServerError,
    LlmThrottled,
    LlmTimeout,
    LlmUnreachable,
)
from baton.domain.llm.calls import LlmCall
from tests.support.llm_calls import TRANSPORT

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint, Handler

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]
Build = Callable[..., LlmCall]
MODELS = {"object": "list", "data": [{"id": "small-1", "object": "model"}, {"id": "big-2"}], "has_more": False}
ANSWERS = {
    openai: {"choices": [{"message": {"content": "Yes"}, "finish_reason": "stop"}]},
    anthropic: {"content": [{"type": "text", "text": "Yes"}], "stop_reason": "end_turn"},
}


def replying(list_reply: tuple[int, object], call_reply: tuple[int, object]) -> Callable[[Handler], None]:
    """Reply to the request for models, and to a call."""

    def script(handler: Handler) -> None:
        status, body = list_reply if handler.command == "GET" else call_reply
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.reply(status, raw)

    return script


def sent_call(endpoint: Endpoint) -> dict[str, Any]:
    """The body of the call that was sent after the request for the list."""
    (_, _, no_body), (_, _, body) = endpoint.requests
    assert no_body == b""
    request: dict[str, Any] = json.loads(body)
    return request


@pytest.mark.parametrize("provider", [openai, anthropic])
def test_models_come_from_the_list_without_a_prompt(endpoint: Endpoint, a_call: Build, provider: Any) -> None:
    endpoint.script = replying((200, MODELS), (500, {}))
    assert provider.check(a_call(base_url=endpoint.url), TRANSPORT) == ("small-1", "big-2")
    ((path, headers, body),) = endpoint.requests
    assert path.startswith("/v1/models")
    assert "sk-test-0123456789" in (headers.get("Authorization", "") + headers.get("x-api-key", ""))
    assert body == b""


@pytest.mark.parametrize("provider", [openai, anthropic])
@pytest.mark.parametrize(
    "listed",
    [
        (404, b"404 page not found"),
        (405, {}),
        (501, {}),
        (401, {"error": {"message": "Missing scopes: api.model.read"}}),
        (403, {}),
        (200, b"<html>"),
        (200, {"data": {}}),
        (200, {"error": {"message": "No"}}),
        (200, [{"error": {"message": "No"}}]),
        (200, {"data": [5, {"id": 7}]}),
    ],
)
def test_without_a_list_one_short_prompt_is_sent(
    endpoint: Endpoint, a_call: Build, provider: Any, listed: tuple[int, object]
) -> None:
    endpoint.script = replying(listed, (200, ANSWERS[provider]))
    call = a_call(
        base_url=endpoint.url,
        max_tokens=4000,
        stop=("END",),
        response_format="json",
        temperature=0,
    )
    assert provider.check(call, TRANSPORT) is None
    request = sent_call(endpoint)
    assert request["messages"] == [{"role": "user", "content": checks.QUESTION}]
    assert (request["max_tokens"], request["temperature"], request["model"]) == (16, 0, "small-1")
    assert not {"stop", "stop_sequences", "response_format", "stream"} & request.keys()


@pytest.mark.parametrize("provider", [openai, anthropic])
@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        (((401, {}), (401, {"error": {"message": "Incorrect API key"}})), LlmRefused),
        (((404, {}), (404, {"error": {"message": "No such model"}})), LlmRefused),
        (((404, {}), (200, b"<html>")), LlmAnswerInvalid),
        (((404, {}), (200, {})), LlmAnswerInvalid),
        (((429, {}), (200, {})), LlmThrottled),
        (((500, {}), (200, {})), LlmServerError),
        (((302, b""), (200, {})), LlmRefused),
        (((400, {}), (200, {})), LlmRefused),
    ],
)
def test_a_failed_check_raises_the_failure_of_a_call(
    endpoint: Endpoint, a_call: Build, provider: Any, replies: Any, kind: type[LlmError]
) -> None:
    endpoint.script = replying(*replies)
    with pytest.raises(LlmError, match="'demo'") as caught:
        provider.check(a_call(base_url=endpoint.url), TRANSPORT)
    assert type(caught.value) is kind


@pytest.mark.parametrize("provider", [openai, anthropic])
def test_a_missing_host_is_unreachable(a_call: Build, provider: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
    with pytest.raises(LlmUnreachable, match="Connection refused"):
        provider.check(a_call(base_url=url), TRANSPORT)


def test_a_model_that_only_reasons_within_the_bound_passes_the_check(endpoint: Endpoint, a_call: Build) -> None:
    thought = {"choices": [{"message": {"content": None, "reasoning": "Hm"}, "finish_reason": "length"}]}
    endpoint.script = replying((404, {}), (200, thought))
    assert openai.check(a_call(base_url=endpoint.url), TRANSPORT) is None


def test_an_anthropic_model_that_only_reasons_within_the_bound_passes_the_check(
    endpoint: Endpoint, a_call: Build
) -> None:
    thought = {"content": [{"type": "thinking", "thinking": "Hm"}], "stop_reason": "max_tokens"}
    endpoint.script = replying((404, {}), (200, thought))
    assert anthropic.check(a_call(base_url=endpoint.url), TRANSPORT) is None


@pytest.mark.parametrize("provider", [openai, anthropic])
def test_a_server_that_always_streams_can_be_checked(endpoint: Endpoint, a_call: Build, provider: Any) -> None:
    events = {
        openai: b'data: {"choices": [{"delta": {"content": "Yes"}, "finish_reason": "stop"}]}\n\n',
        anthropic: b'data: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Yes"}}\n\n'
        b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}\n\n',
    }

    def script(handler: Handler) -> None:
        if handler.command == "GET":
            handler.reply(404, b"{}")
        else:
            handler.stream(events[provider])

    endpoint.script = script
    assert provider.check(a_call(base_url=endpoint.url), TRANSPORT) is None


def test_if_the_list_is_public_the_key_is_checked_too(
    endpoint: Endpoint, a_call: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert openai_dialects.dialect_of("https://openrouter.ai/api/v1").models == "public"
    monkeypatch.setattr(openai_dialects, "BY_HOST", {"127.0.0.1": Dialect(models="public")})
    endpoint.script = replying((200, MODELS), (200, ANSWERS[openai]))
    assert openai.check(a_call(base_url=endpoint.url), TRANSPORT) == ("small-1", "big-2")
    endpoint.script = replying((200, MODELS), (401, {"error": {"message": "No such key"}}))
    with pytest.raises(LlmRefused, match="No such key"):
        openai.check(a_call(base_url=endpoint.url), TRANSPORT)


def test_on_azure_the_prompt_is_sent_first_and_without_a_bound(
    endpoint: Endpoint, a_call: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_dialects, "BY_HOST", {"127.0.0.1": openai_dialects.AZURE})
    endpoint.script = replying((200, MODELS), (200, ANSWERS[openai]))
    assert openai.check(a_call(base_url=endpoint.url), TRANSPORT) is None
    ((path, headers, body),) = endpoint.requests
    assert (path, headers["api-key"]) == ("/v1/chat/completions", "sk-test-0123456789")
    assert "max_tokens" not in json.loads(body)


def test_simulated_lists_its_model(a_call: Build) -> None:
    assert simulated.check(a_call(model="another")) == ("small-1",)


@pytest.mark.parametrize("provider", [openai, anthropic])
def test_list_and_prompt_share_one_timeout(endpoint: Endpoint, a_call: Build, provider: Any) -> None:
    def late(handler: Handler) -> None:
        if handler.command == "GET":
            endpoint.stopped.wait(0.3)
            handler.reply(404, b"")
        else:
            endpoint.stopped.wait(10)

    endpoint.script = late
    began = time.monotonic()
    with pytest.raises(LlmTimeout, match="'demo'"):
        provider.check(a_call(base_url=endpoint.url, timeout_seconds=0.5), TRANSPORT)
    assert 0.49 <= time.monotonic() - began < 2


def test_without_time_left_no_prompt_is_sent(endpoint: Endpoint, a_call: Build) -> None:
    endpoint.script = replying((404, {}), (200, ANSWERS[openai]))
    call = a_call(base_url=endpoint.url, timeout_seconds=5)
    moments = iter([0.0, 5.0])
    check = checks.ModelCheck(listing=openai.models_request(call), ask=openai.complete)
    with pytest.raises(LlmTimeout, match="within 5 s"):
        checks.offered_models(check, call, TRANSPORT, clock=lambda: next(moments))
    assert len(endpoint.requests) == 1


# --- the list ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "models"),
    [
        (MODELS, ("small-1", "big-2")),
        ([{"id": "small-1"}], ("small-1",)),
        ({"data": []}, ()),
        ({"data": [{"id": "a"}, {"name": "b"}, None, {"id": 5}, {"id": ""}]}, ("a",)),
        ({"data": [{"id": "x" * 500}]}, ("x" * 200,)),
        ({"data": [{"id": "a\ud800"}]}, ("a\ufffd",)),
        ({"data": [{"id": f"m{number}"} for number in range(2_000)]}, tuple(f"m{number}" for number in range(1_000))),
        ({"models": []}, None),
        (b"", None),
        (b"[" * 100_000, None),
        (b"null", None),
    ],
)
def test_names_are_found_and_bounded(body: object, models: tuple[str, ...] | None) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert checks.models_in(HttpReply(status=200, headers={}, body=raw)) == models
