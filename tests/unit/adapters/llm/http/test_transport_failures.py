"""Failures of the transport are mapped to LLM errors, and the mapping is complete."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import requests.exceptions
import urllib3.exceptions

from baton.adapters.llm.http import transport, transport_failures
from baton.adapters.llm.http.wire import HttpRequest
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmUnreachable
from baton.domain.llm.calls import LlmCall
from tests.support.llm_calls import complete, send

if TYPE_CHECKING:
    from tests.support.llm_endpoint import Endpoint, Handler

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(20)]
Build = Callable[..., LlmCall]


def to(url: str, body: bytes = b"{}", **headers: str) -> HttpRequest:
    return HttpRequest(instance_name="demo", url=url, headers=headers, body=body)


def _unknown(*_args: object, **_kwargs: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


def test_a_refused_connection_is_named(a_call: Build) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
    with pytest.raises(LlmUnreachable, match=r"'demo' can't be reached \(127.0.0.1:\d+\): Connection refused."):
        complete(a_call(base_url=url))


def test_two_content_lengths_are_an_invalid_answer(endpoint: Endpoint, a_call: Build) -> None:
    def script(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}")

    endpoint.script = script
    with pytest.raises(LlmAnswerInvalid, match=r"'demo' sent something that isn't a whole HTTP answer"):
        complete(a_call(base_url=endpoint.url))


def test_a_name_that_is_not_found_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _unknown)
    with pytest.raises(LlmUnreachable, match=r"\(no.such.example\): Name or service not known."):
        send(to("http://no.such.example/v1?key=secret"), 5)


def test_connecting_has_a_shorter_timeout_per_address_and_ends_with_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timeouts: list[float] = []
    now = [0.0]

    class Silent(socket.socket):
        def connect(self, _address: object) -> None:
            seconds = self.gettimeout() or 0
            timeouts.append(seconds)
            now[0] += seconds
            raise TimeoutError("timed out")

    here = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [here] * 4)
    monkeypatch.setattr(socket, "socket", Silent)
    for seconds in (60, 12, 1):
        with pytest.raises(LlmUnreachable, match="can't be reached"):
            send(to("http://model.example/"), seconds, clock=lambda: now[0])
    assert timeouts == [*(5, 5, 5, 5), *(5, 5, 2), 1]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", LlmUnreachable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", LlmUnreachable),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", LlmUnreachable),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", LlmError),
        (b"SSH-2.0-OpenSSH\r\n", LlmError),
        (b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 70_000 + b"\r\n\r\n", LlmError),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", LlmError),
    ],
)
def test_an_incomplete_http_response_is_an_llm_error(endpoint: Endpoint, sent: bytes, kind: type[LlmError]) -> None:
    def hang_up(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(sent)

    endpoint.script = hang_up
    with pytest.raises(kind, match="'demo'"):
        send(to(endpoint.url), 2)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://a/",
        "http://",
        "http://[::1",
        "http://a b/",
        "http://a:99999/",
        "http://.a/",
        "http://a/\n",
        "http://*.example/",
        "http://\ud800.example/",
        "http://127.0.0.1:x/",
        f"http://{'a' * 300}.example/",
    ],
)
def test_a_url_that_cannot_be_called_is_an_llm_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _unknown)
    with pytest.raises(LlmError) as caught:
        send(to(url), 2)
    str(caught.value).encode("utf-8")


def test_an_http_response_to_a_tls_client_is_unreachable(endpoint: Endpoint) -> None:
    with pytest.raises(LlmUnreachable, match="over TLS"):
        send(to(endpoint.url.replace("http", "https")), 2)


def test_neither_message_nor_traceback_contains_an_invalid_header_value() -> None:
    for key in ("sk\nsecret", "sk-söcret\u2603"):
        with pytest.raises(LlmRefused, match=r"header|base URL") as caught:
            send(to("http://127.0.0.1:1/", Authorization=key), 2)
        assert "sk" not in str(caught.value)
        assert caught.value.__suppress_context__
        assert caught.value.__cause__ is None


# --- the table -----------------------------------------------------------------------------------------------------


def exceptions_of(module: ModuleType) -> list[type[Exception]]:
    found = (thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, Exception))
    return [thing for thing in found if not issubclass(thing, Warning) and thing.__module__ == module.__name__]


@pytest.mark.parametrize("kind", exceptions_of(requests.exceptions), ids=lambda kind: kind.__name__)
def test_every_exception_of_requests_is_mapped(kind: type[Exception]) -> None:
    assert kind in transport_failures.FAILURES


@pytest.mark.parametrize("kind", [*exceptions_of(urllib3.exceptions), *exceptions_of(http.client)])
def test_every_exception_below_requests_is_mapped(kind: type[Exception]) -> None:
    if kind is urllib3.exceptions.ProxySchemeUnsupported:  # raised by nothing in urllib3 2
        return
    assert issubclass(kind, transport_failures.FOREIGN)
    assert any(base in transport_failures.FAILURES for base in kind.__mro__)


def test_an_untrusted_certificate_is_found_in_any_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        try:
            raise ssl.SSLCertVerificationError(1, "certificate verify failed")
        except ssl.SSLError as error:
            raise requests.exceptions.SSLError("wrapped") from urllib3.exceptions.SSLError(error)

    monkeypatch.setattr(transport, "_exchange", fail)
    with pytest.raises(LlmRefused, match=r"certificate that isn't trusted \(a.example\)"):
        send(to("https://a.example/"), 1)
