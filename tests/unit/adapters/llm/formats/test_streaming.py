"""Streamed answers, from a real endpoint on this machine."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from baton.adapters.llm.formats import streaming
from baton.adapters.llm.http import transport
from baton.adapters.llm.http.http_transport import HttpTransport
from baton.adapters.llm.http.wire import HttpRequest
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmThrottled, LlmTimeout, LlmUnreachable
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.hosts import HostPolicy
from tests.support.llm_calls import complete, send
from tests.support.llm_endpoint import RecordingListener

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint, Handler

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]
Build = Callable[..., LlmCall]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
DONE = b"data: [DONE]\n\n"


def piece(text: str | None, finish_reason: str | None = None) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def event(kind: str, **more: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def text_delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


ANSWERS = {
    "openai": [piece("Swe"), piece("den."), piece(None, "stop"), DONE],
    "anthropic": [
        event("message_start", message={"content": []}) + text_delta("Swe"),
        text_delta("den."),
        event("message_delta", delta={"stop_reason": "end_turn"}),
        event("message_stop"),
    ],
}


class Waiting(RecordingListener):
    """``texts_received`` is released for each text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts_received = threading.Semaphore(0)

    def on_text(self, text: str) -> None:
        super().on_text(text)
        self.texts_received.release()


def hang_up(*chunks: bytes) -> Callable[[Handler], None]:
    def script(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"".join(chunks))

    return script


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("framed", ["chunked", "to the end of the connection", "compressed"])
def test_each_text_is_published_before_the_next_one_is_sent(
    endpoint: Endpoint, a_call: Build, provider: str, framed: str
) -> None:
    listener = Waiting()
    packer = zlib.compressobj(wbits=31)
    received_in_time: list[bool] = []

    def script(handler: Handler) -> None:
        encoding = b"Content-Encoding: gzip\r\n" if framed == "compressed" else b""
        framing = b"Transfer-Encoding: chunked\r\n" if framed == "chunked" else b""
        handler.close_connection = framed != "chunked"
        handler.wfile.write(HEAD + encoding + framing + b"\r\n")
        for number, sent in enumerate(ANSWERS[provider]):
            handler.wfile.write(wrapped(sent))
            if number < 2:
                received_in_time.append(listener.texts_received.acquire(timeout=5))
        handler.wfile.write(b"0\r\n\r\n" if framed == "chunked" else b"")

    def wrapped(sent: bytes) -> bytes:
        if framed == "chunked":
            return f"{len(sent):x}\r\n".encode() + sent + b"\r\n"
        return packer.compress(sent) + packer.flush(zlib.Z_SYNC_FLUSH) if framed == "compressed" else sent

    endpoint.script = script
    answer = complete(a_call(provider=provider, base_url=endpoint.url), listener)
    assert (answer.content, answer.finish_reason) == ("Sweden.", "stop")
    assert (received_in_time, listener.pieces) == ([True, True], ["Swe", "den."])


@pytest.mark.parametrize("label", ["application/json", "text/plain", ""])
def test_a_stream_with_a_wrong_content_type_is_streamed_too(endpoint: Endpoint, a_call: Build, label: str) -> None:
    listener = Waiting()
    received_in_time: list[bool] = []

    def script(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + label.encode() + b"\r\n\r\n: ping\n\n")
        for sent in ANSWERS["openai"][:2]:
            handler.wfile.write(sent)
            received_in_time.append(listener.texts_received.acquire(timeout=5))
        handler.wfile.write(b"".join(ANSWERS["openai"][2:]))

    endpoint.script = script
    assert complete(a_call(base_url=endpoint.url), listener).content == "Sweden."
    assert (received_in_time, listener.pieces) == ([True, True], ["Swe", "den."])


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_stream_that_exceeds_the_bound_after_its_stop_reason_is_an_answer(
    endpoint: Endpoint, a_call: Build, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 100_000)
    unfinished = ANSWERS[provider][:-1]
    endpoint.script = lambda handler: handler.stream(*unfinished, *repeat(b": ping\n\n" * 1_000, 100))
    assert complete(a_call(provider=provider, base_url=endpoint.url), RecordingListener()).content == "Sweden."


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_stream_that_continues_after_its_stop_reason_until_the_timeout_is_an_answer(
    endpoint: Endpoint, a_call: Build, provider: str
) -> None:
    unfinished = b"".join(ANSWERS[provider][:-1])
    endpoint.script = lambda handler: handler.trickle(HEAD + b"\r\n" + unfinished, b": ping\n\n")
    call = a_call(provider=provider, base_url=endpoint.url, timeout_seconds=0.5)
    assert complete(call, RecordingListener()).content == "Sweden."


@pytest.mark.parametrize("still_sent", [b"", b": ping\n\n"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_after_the_stop_reason_a_stream_that_stays_open_is_closed_early(
    endpoint: Endpoint, a_call: Build, monkeypatch: pytest.MonkeyPatch, provider: str, still_sent: bytes
) -> None:
    monkeypatch.setattr(streaming, "SECONDS_AFTER_FINISH", 0.2)
    unfinished = b"".join(ANSWERS[provider][:-1])
    endpoint.script = lambda handler: handler.trickle(HEAD + b"\r\n" + unfinished, still_sent)
    for listener in (RecordingListener(), None):
        call = a_call(provider=provider, base_url=endpoint.url, timeout_seconds=600)
        assert complete(call, listener).content == "Sweden."


def test_token_counts_after_the_stop_reason_are_read(
    endpoint: Endpoint, a_call: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "SECONDS_AFTER_FINISH", 0.5)
    unfinished = b"".join(ANSWERS["openai"][:-1])
    counts = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'
    endpoint.script = lambda handler: handler.trickle(HEAD + b"\r\n" + unfinished, counts)
    answer = complete(a_call(base_url=endpoint.url, timeout_seconds=600), RecordingListener())
    assert (answer.content, answer.prompt_tokens, answer.completion_tokens) == ("Sweden.", 3, 2)


def test_a_split_surrogate_pair_is_joined(endpoint: Endpoint, a_call: Build) -> None:
    runner = [piece("a\ud83c"), piece("\udfc3b"), piece("\ud83c"), piece("c"), piece("\ud83c", "stop")]
    endpoint.script = lambda handler: handler.stream(*runner, DONE)
    listener = RecordingListener()
    answer = complete(a_call(base_url=endpoint.url), listener)
    assert answer.content == "".join(listener.pieces) == "a\U0001f3c3b\ufffdc\ufffd"
    assert listener.pieces[:2] == ["a", "\U0001f3c3b"]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_streams_share_one_connection(endpoint: Endpoint, a_call: Build, provider: str) -> None:
    endpoint.script = lambda handler: handler.stream(*ANSWERS[provider])
    for _ in range(3):
        complete(a_call(provider=provider, base_url=endpoint.url), RecordingListener())
    assert endpoint.connections == 1


def test_a_stream_left_open_after_the_end_is_closed(endpoint: Endpoint, a_call: Build) -> None:
    def leave_open(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(HEAD + b"\r\n" + b"".join(ANSWERS["openai"]))
        endpoint.stopped.wait(10)

    endpoint.script = leave_open
    began = time.monotonic()
    assert complete(a_call(base_url=endpoint.url), RecordingListener()).content == "Sweden."
    assert time.monotonic() - began < 3


def test_a_whole_answer_to_a_stream_request_is_published_at_once(endpoint: Endpoint, a_call: Build) -> None:
    whole = json.dumps({"choices": [{"message": {"content": "Sweden."}, "finish_reason": "stop"}]}).encode()
    endpoint.script = lambda handler: handler.reply(200, whole, Content_Type="application/json")
    listener = RecordingListener()
    assert complete(a_call(base_url=endpoint.url), listener).content == "Sweden."
    assert listener.pieces == ["Sweden."]


def test_an_unrequested_stream_is_read(endpoint: Endpoint, a_call: Build) -> None:
    endpoint.script = lambda handler: handler.stream(*ANSWERS["openai"])
    assert complete(a_call(base_url=endpoint.url)).content == "Sweden."
    assert "stream" not in json.loads(endpoint.requests[0][2])


def test_the_content_type_of_a_stream_is_case_insensitive(endpoint: Endpoint, a_call: Build) -> None:
    written = "Text/Event-Stream;charset=utf-8"
    endpoint.script = lambda handler: handler.stream(*ANSWERS["openai"], content_type=written)
    assert complete(a_call(base_url=endpoint.url), RecordingListener()).content == "Sweden."


def test_a_rejected_call_starts_an_answer_without_text(endpoint: Endpoint, a_call: Build) -> None:
    endpoint.script = lambda handler: handler.reply(
        429, b"data: {}\n\n", Content_Type="text/event-stream", Retry_After="2"
    )
    listener = RecordingListener()
    with pytest.raises(LlmThrottled, match="status 429") as caught:
        complete(a_call(base_url=endpoint.url), listener)
    assert (caught.value.retry_after, listener.answers) == (2, [[]])


@pytest.mark.parametrize("error", [ValueError("odd"), ConnectionResetError("theirs"), TimeoutError(), LlmTimeout("x")])
def test_exceptions_of_the_listener_pass_through_and_close_the_connection(
    endpoint: Endpoint, a_call: Build, error: Exception
) -> None:
    class Failing(RecordingListener):
        def on_text(self, text: str) -> None:
            super().on_text(text)
            raise error

    hung_up = threading.Event()

    def script(handler: Handler) -> None:
        handler.close_connection = True
        with suppress(ConnectionError):
            handler.stream(*ANSWERS["openai"])
            handler.rfile.read(1)
        hung_up.set()

    endpoint.script = script
    with pytest.raises(type(error)) as caught:
        complete(a_call(base_url=endpoint.url), Failing())
    assert caught.value is error
    assert hung_up.wait(3)


def test_a_listener_can_make_calls(endpoint: Endpoint, a_call: Build) -> None:
    """Its own calls are independent of the call that it listens to."""
    other = HttpRequest(instance_name="other", url=endpoint.url, headers={}, body=b"other")

    class Calling(RecordingListener):
        def on_text(self, text: str) -> None:
            super().on_text(text + send(other, 5).body.decode())

    def script(handler: Handler) -> None:
        if endpoint.requests[-1][2] == b"other":
            handler.reply(200, b"other")
        else:
            handler.stream(*ANSWERS["openai"])

    endpoint.script = script
    listener = Calling()
    assert complete(a_call(base_url=endpoint.url), listener).content == "Sweden."
    assert listener.pieces == ["Sweother", "den.other"]


def test_an_invalid_json_answer_is_restarted_and_streamed_again(endpoint: Endpoint, a_call: Build) -> None:
    answers = iter(["no", "{}"])
    endpoint.script = lambda handler: handler.stream(piece(next(answers), "stop"), DONE)
    listener = RecordingListener()
    answer = complete(a_call(base_url=endpoint.url, response_format="json"), listener)
    assert (answer.content, answer.format_retries) == ("{}", 1)
    assert listener.answers == [["no"], ["{}"]]


def test_the_host_policy_also_applies_to_streams(endpoint: Endpoint, a_call: Build) -> None:
    with pytest.raises(LlmRefused, match="may not call"):
        complete(a_call(base_url=endpoint.url), RecordingListener(), HttpTransport(HostPolicy()))
    assert endpoint.connections == 0


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfff\r\n",
        b"\r\n",
    ],
)
def test_a_broken_connection_fails_the_answer_only_before_its_end(
    endpoint: Endpoint, a_call: Build, framing: bytes
) -> None:
    call = a_call(base_url=endpoint.url)
    endpoint.script = hang_up(HEAD, framing, piece("Swe"))
    with pytest.raises(LlmUnreachable, match="'demo' broke"):
        complete(call, RecordingListener())
    endpoint.script = hang_up(HEAD, framing, piece("Sweden.", "stop"))
    assert complete(call, RecordingListener()).content == "Sweden."


@pytest.mark.parametrize(
    "start",
    [
        b"",
        HEAD + b"X-Long: ",
        HEAD + b"\r\n",
        HEAD + b"\r\n: ",
        HEAD + b"\r\ndata: ",
        HEAD + b"Content-Length: 99999\r\n\r\n" + piece("Swe"),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>",
        b"HTTP/1.1 500 Oh\r\nContent-Type: text/event-stream\r\n\r\n",
    ],
)
def test_a_slow_stream_ends_at_the_timeout(endpoint: Endpoint, a_call: Build, start: bytes) -> None:
    endpoint.script = lambda handler: handler.trickle(start)
    began = time.monotonic()
    with pytest.raises(LlmTimeout, match=r"'demo' sent no complete answer within 0.2 s\."):
        complete(a_call(base_url=endpoint.url, timeout_seconds=0.2), RecordingListener())
    assert 0.19 <= time.monotonic() - began < 1.5


@pytest.mark.parametrize("event", [piece("Swe"), b": PROCESSING\n\n", b"event: ping\ndata: {}\n\n", b"\n"])
def test_an_endless_stream_ends_at_the_timeout(endpoint: Endpoint, a_call: Build, event: bytes) -> None:
    endpoint.script = lambda handler: handler.trickle(HEAD + b"\r\n", event)
    began = time.monotonic()
    with pytest.raises(LlmTimeout):
        complete(a_call(base_url=endpoint.url, timeout_seconds=0.2), RecordingListener())
    assert 0.19 <= time.monotonic() - began < 1.5


@pytest.mark.parametrize("sent", [piece("Swe" * 20_000), b": PROCESSING\n\n" * 5_000, b"x" * 60_000, b"\n" * 60_000])
def test_an_endless_stream_ends_at_the_size_bound(
    endpoint: Endpoint, a_call: Build, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 1_000_000)
    endpoint.script = lambda handler: handler.stream(*repeat(sent, 1000))
    with pytest.raises(LlmAnswerInvalid, match="'demo' sent an answer of more than 1,000,000 bytes"):
        complete(a_call(base_url=endpoint.url), RecordingListener())


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"", b'{"choices": []}', b"\xff\xfe", b"data: [DONE]"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_invalid_stream_is_an_llm_error(endpoint: Endpoint, a_call: Build, provider: str, body: bytes) -> None:
    endpoint.script = lambda handler: handler.reply(200, body, Content_Type="text/event-stream")
    with pytest.raises(LlmError, match="'demo'"):
        complete(a_call(provider=provider, base_url=endpoint.url), RecordingListener())


def test_a_stream_of_more_than_ten_megabytes_is_too_large(endpoint: Endpoint, a_call: Build) -> None:
    endpoint.script = lambda handler: handler.stream(*repeat(piece("Sweden. " * 8_000), 200))
    with pytest.raises(LlmAnswerInvalid, match="more than 10,485,760 bytes"):
        complete(a_call(base_url=endpoint.url), RecordingListener())
