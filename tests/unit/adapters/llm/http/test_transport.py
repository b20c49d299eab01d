"""HTTP requests to a real endpoint on this machine. Only connections to 127.0.0.1 are possible."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from baton.adapters.llm.http import transport
from baton.adapters.llm.http.deadline import Deadline
from baton.adapters.llm.http.wire import HttpRequest
from baton.domain.errors import LlmAnswerInvalid, LlmRefused, LlmThrottled, LlmTimeout
from baton.domain.llm.calls import LlmCall
from tests.support.llm_calls import complete, send

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint, Handler

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]
Build = Callable[..., LlmCall]


def to(url: str, body: bytes = b"{}", **headers: str) -> HttpRequest:
    return HttpRequest(instance_name="demo", url=url, headers=headers, body=body)


def test_a_call_is_sent_and_its_reply_is_read(endpoint: Endpoint, a_call: Build) -> None:
    answer = {"choices": [{"message": {"content": "Sweden."}, "finish_reason": "stop"}]}
    endpoint.script = lambda handler: handler.reply(200, json.dumps(answer).encode(), Set_Cookie="a=b")
    for _ in range(2):
        assert complete(a_call(base_url=endpoint.url)).content == "Sweden."
    path, headers, body = endpoint.requests[1]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer sk-test-0123456789"
    assert "Cookie" not in headers
    assert json.loads(body)["model"] == "small-1"


def test_a_throttled_call_returns_its_retry_after(endpoint: Endpoint, a_call: Build) -> None:
    endpoint.script = lambda handler: handler.reply(429, b'{"error": {"message": "Slow down"}}', Retry_After="2")
    with pytest.raises(LlmThrottled, match=r"'demo' answered with status 429: Slow down\.") as caught:
        complete(a_call(base_url=endpoint.url))
    assert caught.value.retry_after == 2


def test_header_names_are_in_lower_case(endpoint: Endpoint) -> None:
    endpoint.script = lambda handler: handler.reply(200, b"x", X_Odd="1")
    assert send(to(endpoint.url), 5).headers["x-odd"] == "1"


@pytest.mark.parametrize("status", [200, 404])
def test_calls_share_one_connection(endpoint: Endpoint, status: int) -> None:
    def chunked(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"2\r\n{}\r\n0\r\n\r\n")

    assert send(to(endpoint.url), 5).body == b"{}"
    endpoint.script = chunked
    assert [send(to(endpoint.url), 5).body for _ in range(3)] == [b"{}"] * 3
    assert endpoint.connections == 1


def test_a_compressed_answer_is_read(endpoint: Endpoint) -> None:
    endpoint.script = lambda handler: handler.reply(200, gzip.compress(b"hello"), Content_Encoding="gzip")
    assert send(to(endpoint.url), 5).body == b"hello"
    endpoint.script = lambda handler: handler.reply(200, b"not gzip", Content_Encoding="gzip")
    with pytest.raises(LlmAnswerInvalid):
        send(to(endpoint.url), 5)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 99999\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /v2\r\nContent-Length: 99999\r\n\r\n",
    ],
    ids=["status line", "header", "body", "body of a length", "chunked body", "body of a failure", "redirect"],
)
def test_a_server_that_sends_slowly_ends_at_the_timeout(endpoint: Endpoint, start: bytes) -> None:
    endpoint.script = lambda handler: handler.trickle(start)
    started = time.monotonic()
    with pytest.raises(LlmTimeout, match=r"'demo' sent no complete answer within 0.3 s."):
        send(to(endpoint.url), 0.3)
    assert 0.29 <= time.monotonic() - started < 1.5


def test_a_silent_server_ends_at_the_timeout(endpoint: Endpoint) -> None:
    endpoint.script = lambda _handler: endpoint.stopped.wait(5)
    with pytest.raises(LlmTimeout):
        send(to(endpoint.url), 0.2)


def test_a_server_that_does_not_read_ends_at_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(LlmTimeout):
            send(to(f"http://127.0.0.1:{port}/", body=b"x" * 50_000_000), 0.3)
        assert time.monotonic() - started < 1.5


def test_the_deadline_uses_the_given_clock(endpoint: Endpoint) -> None:
    ticks = iter(range(1000))
    endpoint.script = lambda handler: handler.reply(200, b"x" * 1000)
    with pytest.raises(LlmTimeout):
        send(to(endpoint.url), 3, clock=lambda: float(next(ticks)))


@pytest.mark.parametrize(("seconds", "left"), [(2, 2), (9, 7)])
def test_a_nested_deadline_is_never_later_than_the_outer_one(seconds: float, left: float) -> None:
    moments = iter([0.0, 3.0, 3.0, 3.0])
    deadline = Deadline(10, lambda: next(moments))
    assert deadline.at_most(seconds).left() == left


def test_a_late_call_does_not_shorten_the_next_one_on_its_connection(endpoint: Endpoint) -> None:
    send(to(endpoint.url), 0.5)

    def late(handler: Handler) -> None:
        endpoint.stopped.wait(0.7)
        handler.reply(200, b"late")

    endpoint.script = late
    assert send(to(endpoint.url), 5).body == b"late"
    assert endpoint.connections == 1


def test_a_reply_over_the_size_bound_is_rejected_before_it_is_read_in_full(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 1000)
    endpoint.script = lambda handler: handler.reply(200, b"x" * 1000)
    assert len(send(to(endpoint.url), 5).body) == 1000
    endpoint.script = lambda handler: handler.trickle(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000)
    with pytest.raises(LlmAnswerInvalid, match="more than 1,000 bytes"):
        send(to(endpoint.url), 5)


def test_eleven_megabytes_are_too_large(endpoint: Endpoint) -> None:
    endpoint.script = lambda handler: handler.reply(200, b"x" * 11_000_000)
    with pytest.raises(LlmAnswerInvalid, match="more than 10,485,760 bytes"):
        send(to(endpoint.url), 10)


def test_only_the_start_of_a_long_error_is_read(endpoint: Endpoint) -> None:
    endpoint.script = lambda handler: handler.reply(500, b"x" * 1_000_000)
    reply = send(to(endpoint.url), 5)
    assert (reply.status, len(reply.body)) == (500, transport.MAX_FAILURE_BYTES)


@pytest.mark.parametrize("location", ["/elsewhere", "http://169.254.169.254/", "http://[bad", ""])
def test_a_redirect_is_not_followed(endpoint: Endpoint, a_call: Build, location: str) -> None:
    endpoint.script = lambda handler: handler.reply(307, b"", Location=location)
    with pytest.raises(LlmRefused, match=r"status 307.*not followed"):
        complete(a_call(base_url=endpoint.url))
    assert len(endpoint.requests) == 1


def test_netrc_never_replaces_the_key(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    send(to(endpoint.url, Authorization="Bearer ours"), 5)
    assert endpoint.requests[0][1]["Authorization"] == "Bearer ours"


def test_a_proxy_is_used_for_other_hosts_but_not_for_this_machine(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", endpoint.url.removesuffix("/v1"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    send(to("http://llm.example/v1"), 5)
    assert endpoint.requests.pop()[0] == "http://llm.example/v1"
    send(to(endpoint.url), 5)
    assert endpoint.requests.pop()[0] == "/v1"
