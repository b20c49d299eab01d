"""A check of an instance whose base URL lacks ``/v1`` names the base URL that works."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from baton.adapters.llm.providers.anthropic import messages as anthropic
from baton.adapters.llm.providers.openai import chat_completions as openai
from baton.domain.errors import LlmError, LlmRefused
from baton.domain.llm.calls import LlmCall
from tests.support.llm_calls import TRANSPORT

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint, Handler

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]
Build = Callable[..., LlmCall]
type Script = Callable[[Handler], object]
MODELS = {"data": [{"id": "small-1"}]}
ANSWER = {"choices": [{"message": {"content": "Yes"}, "finish_reason": "stop"}]}
REFUSED = {"error": {"message": "No such key"}}
HTML = b"<html>404</html>"


def api_below(
    root: str, list_reply: tuple[int, object], call_reply: tuple[int, object], elsewhere: tuple[int, object]
) -> Script:
    """An API below ``root``, and the reply for all other paths."""

    def script(handler: Handler) -> None:
        path = handler.path.partition("?")[0]
        is_below_root = path in (f"{root}/models", f"{root}/chat/completions")
        status, body = (list_reply if handler.command == "GET" else call_reply) if is_below_root else elsewhere
        handler.reply(status, body if isinstance(body, bytes) else json.dumps(body).encode())

    return script


def failure(call: LlmCall) -> str:
    with pytest.raises(LlmError) as caught:
        openai.check(call, TRANSPORT)
    return str(caught.value)


@pytest.mark.parametrize(
    "elsewhere",
    [
        (404, b"404 page not found"),
        (404, HTML),
        (405, {}),
        (301, HTML),
        (308, {}),
        (404, {"detail": "Not Found"}),
        (200, {"error": "Unexpected endpoint or method."}),
        (200, HTML),
    ],
)
@pytest.mark.parametrize("listed", [(200, MODELS), (404, {})])
def test_an_error_names_the_base_url_that_works(
    endpoint: Endpoint, a_call: Build, elsewhere: tuple[int, object], listed: tuple[int, object]
) -> None:
    endpoint.script = api_below("/v1", listed, (200, ANSWER), elsewhere)
    error = failure(a_call(base_url=endpoint.url.removesuffix("/v1")))
    assert error.endswith(f" The API answers at {endpoint.url}: set base_url to {endpoint.url}.")


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("", "/v1"),
        ("/", "/v1"),
        ("/chat/completions", "/v1"),
        ("/openai", "/openai/v1"),
        ("/openai/", "/openai/v1"),
        ("/api", "/api/v1"),
        ("/api", "/v1"),
        ("/api/", "/v1"),
        ("/api/chat", "/v1"),
        ("/api/generate", "/v1"),
        ("/completions", "/v1"),
        ("/v1/completions", "/v1"),
        ("/v1/responses", "/v1"),
    ],
)
def test_base_urls_below_the_path_and_beside_a_native_api_are_tried(
    endpoint: Endpoint, a_call: Build, path: str, root: str
) -> None:
    endpoint.script = api_below(root, (200, MODELS), (200, ANSWER), (404, {}))
    host = endpoint.url.removesuffix("/v1")
    assert failure(a_call(base_url=host + path)).endswith(f": set base_url to {host}{root}.")


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_base_url_that_rejects_the_key_is_also_named(endpoint: Endpoint, a_call: Build, status: int) -> None:
    endpoint.script = api_below("/v1", (status, REFUSED), (status, REFUSED), (404, {}))
    error = failure(a_call(base_url=endpoint.url.removesuffix("/v1")))
    assert error.endswith(f"The API answers at {endpoint.url} (with status {status}): set base_url to {endpoint.url}.")


def test_a_query_is_sent_but_not_quoted(endpoint: Endpoint, a_call: Build) -> None:
    endpoint.script = api_below("/v1", (200, MODELS), (200, ANSWER), (404, {}))
    error = failure(a_call(base_url=endpoint.url.removesuffix("/v1") + "?key=secret"))
    assert error.endswith(f"set base_url to {endpoint.url} (with the same query).")
    assert "secret" not in error
    assert all(path.endswith("?key=secret") for path, _, _ in endpoint.requests)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/chat/completions", "/v1beta/openai", "/api/v3"])
def test_a_base_url_with_a_version_is_the_only_one_tried(endpoint: Endpoint, a_call: Build, path: str) -> None:
    endpoint.script = lambda handler: handler.reply(404, b"{}")
    error = failure(a_call(base_url=endpoint.url.removesuffix("/v1") + path))
    assert error == "LLM instance 'demo' answered with status 404: Not Found."
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("reply", [(404, {}), (500, {}), (200, HTML), (302, {})])
def test_if_no_base_url_works_the_first_failure_is_raised(
    endpoint: Endpoint, a_call: Build, reply: tuple[int, object]
) -> None:
    endpoint.script = api_below("/v1", reply, reply, (404, {}))
    error = failure(a_call(base_url=endpoint.url.removesuffix("/v1")))
    assert error == "LLM instance 'demo' answered with status 404: Not Found."


@pytest.mark.parametrize("elsewhere", [(401, REFUSED), (500, {}), (429, {}), (400, {})])
def test_after_other_failures_no_base_url_is_tried(
    endpoint: Endpoint, a_call: Build, elsewhere: tuple[int, object]
) -> None:
    endpoint.script = api_below("/v1", (200, MODELS), (200, ANSWER), elsewhere)
    assert "base_url" not in failure(a_call(base_url=endpoint.url.removesuffix("/v1")))


def test_the_search_ends_within_the_timeout_of_the_call(endpoint: Endpoint, a_call: Build) -> None:
    def slow_below_version(handler: Handler) -> None:
        if handler.path.startswith("/v1/"):
            endpoint.stopped.wait(15)
        handler.reply(404, b"{}")

    endpoint.script = slow_below_version
    error = failure(a_call(base_url=endpoint.url.removesuffix("/v1"), timeout_seconds=0.5))
    assert error == "LLM instance 'demo' answered with status 404: Not Found."


def test_anthropic_base_urls_need_no_version(endpoint: Endpoint, a_call: Build) -> None:
    endpoint.script = lambda handler: handler.reply(404, b"{}")
    with pytest.raises(LlmRefused, match="answered with status 404"):
        anthropic.check(a_call(base_url=endpoint.url.removesuffix("/v1")), TRANSPORT)
    assert {path.partition("?")[0] for path, _, _ in endpoint.requests} == {"/v1/models", "/v1/messages"}
