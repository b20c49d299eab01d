"""The example workflow with each provider's wire format, as its servers send it, complete and streamed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from baton.adapters.llm.http import transport
from baton.adapters.llm.providers.bedrock.client import bedrock
from baton.runtime import wiring
from local.example import FILE, VARIABLES
from tests.support.aws import forget
from tests.support.deployment import Deployment
from tests.support.event_streams import event
from tests.support.functions import request
from tests.support.llm_endpoint import Endpoint, Handler
from tests.support.template import ROOT

STREAMS = ROOT / "tests" / "unit" / "adapters" / "llm" / "providers" / "streams"
PAYLOADS = 4
CONTENT = "Sweden won, in 3:16.6."

OPENAI = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": CONTENT, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
    "service_tier": "default",
}
ANTHROPIC = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": CONTENT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 19, "output_tokens": 10},
}
BEDROCK_STREAM = b"".join(
    [
        event("messageStart", {"role": "assistant"}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": CONTENT[:7]}, "p": "abc"}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": CONTENT[7:]}, "p": "abcdefgh"}),
        event("contentBlockStop", {"contentBlockIndex": 0}),
        event("messageStop", {"stopReason": "end_turn"}),
        event("metadata", {"usage": {"inputTokens": 19, "outputTokens": 10, "totalTokens": 29}, "metrics": {}}),
    ]
)
BEDROCK = {
    "metrics": {"latencyMs": 551},
    "output": {"message": {"content": [{"text": CONTENT}], "role": "assistant"}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 19, "outputTokens": 10, "totalTokens": 29},
}


@dataclass(frozen=True)
class Wire:
    """How a provider's server answers, and where its request contains the prompt.

    ``requests_stream`` is whether streaming is on. Bedrock has another operation for streams.
    """

    provider: str
    body: bytes
    content_type: str
    path: str
    prompt: Callable[[Any], str]
    requests_stream: bool = True

    def reply(self, handler: Handler) -> None:
        handler.reply(200, self.body, Content_Type=self.content_type)


def _of_message(body: Any) -> str:
    return str(body["messages"][-1]["content"])


def _of_converse(body: Any) -> str:
    return str(body["messages"][-1]["content"][0]["text"])


def whole(provider: str, body: Any, path: str, prompt: Callable[[Any], str] = _of_message) -> Wire:
    return Wire(provider, json.dumps(body).encode(), "application/json", path, prompt)


def streamed(provider: str, file: Path, path: str) -> Wire:
    return Wire(provider, file.read_bytes(), "text/event-stream; charset=utf-8", path, _of_message)


WIRES = {
    "openai, whole": whole("openai", OPENAI, "/v1/chat/completions"),
    "anthropic, whole": whole("anthropic", ANTHROPIC, "/v1/messages"),
    "bedrock, whole": replace(whole("bedrock", BEDROCK, "/model/m/converse", _of_converse), requests_stream=False),
    "bedrock, streamed": Wire(
        "bedrock", BEDROCK_STREAM, "application/vnd.amazon.eventstream", "/model/m/converse-stream", _of_converse
    ),
    **{
        f"{file.stem}, streamed": streamed(
            *(
                ("anthropic", file, "/v1/messages")
                if file.stem == "anthropic"
                else ("openai", file, "/v1/chat/completions")
            )
        )
        for file in sorted(STREAMS.glob("*.sse"))
    },
}


@pytest.fixture
def endpoint(baton: Deployment) -> Iterator[Endpoint]:
    """A server on this machine that this deployment may call."""
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    baton.aws.monkeypatch.setenv("ALLOW_PRIVATE_LLM_HOSTS", "true")
    baton.aws.monkeypatch.setenv("ALLOW_LOOPBACK_LLM_HOSTS", "true")
    baton.aws.monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url.removesuffix("/v1"))
    forget(wiring)
    bedrock.cache_clear()
    yield server
    bedrock.cache_clear()
    transport.session.cache_clear()
    server.stopped.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES.keys())
def test_the_example_completes_with_the_responses_of_each_provider(
    baton: Deployment, endpoint: Endpoint, wire: Wire
) -> None:
    endpoint.script = wire.reply
    where = {} if wire.provider == "bedrock" else {"base_url": endpoint.url, "api_key": "sk-test-1"}
    how = {} if wire.requests_stream else {"defaults": {"stream": False}}
    baton.create("/api/llm/instances", {"name": "example", "provider": wire.provider, "model": "m", **where, **how})
    yaml = {"content-type": "application/yaml"}
    imported = request("POST", "/api/workflows/import", text=FILE.read_text(), headers=yaml)
    assert imported.status == 200, imported.body
    run = baton.finish(baton.execute(imported.body["workflow_id"], **VARIABLES))

    assert run["status"] == "completed", run["metadata"]
    contents = {response["content"] for response in run["responses"]}
    assert len(run["responses"]) == PAYLOADS
    (content,) = contents
    assert content
    for response in run["responses"]:
        metadata = response["metadata"]
        assert metadata["finish_reason"] in ("stop", "length")
        assert metadata["model"]
        assert metadata["completion_tokens"] is None or metadata["completion_tokens"] > 0
    prompts = [wire.prompt(json.loads(body)) for _, _, body in endpoint.requests]
    assert [path for path, _, _ in endpoint.requests] == [wire.path] * PAYLOADS
    assert all(content in prompt for prompt in prompts[1:]), "each prompt contains the previous answer"
