"""All outgoing HTTP: connections are reused, every call has a deadline, and every failure becomes an ``LlmError``.

Environment variables: a CA bundle (``REQUESTS_CA_BUNDLE``) is used. A proxy (``HTTPS_PROXY``, ``NO_PROXY``) is used
only where the policy allows private addresses, since a proxy resolves names itself, without the check of addresses;
and never for this machine's own addresses. ``.netrc`` is never read, since requests would replace the instance's key
by it. Cookies are not stored: a session serves every tenant.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import requests

from baton.adapters.llm.http.addresses import check_host
from baton.adapters.llm.http.deadline import Clock, Deadline, DeadlineAdapter, deadline_scope
from baton.adapters.llm.http.server_sent_events import INSIGNIFICANT, is_stream, strip_comments
from baton.adapters.llm.http.transport_failures import FOREIGN, translate_errors
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, HttpRequest
from baton.domain.errors import LlmAnswerInvalid
from baton.domain.llm.hosts import HostPolicy

CONNECT_SECONDS = 5.0
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_FAILURE_BYTES = 64 * 1024
"""The part of a failure's body that is read: enough for its message."""

CHUNK_BYTES = 64 * 1024
END_SECONDS = 0.2
"""The time limit for the end of a body after a complete answer: some servers never close it."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """The chunks of a body as they arrive; can be iterated only one time."""

    _arriving: Iterator[bytes]
    _deadline: Deadline

    def __iter__(self) -> Iterator[bytes]:
        return self._arriving

    def end_within(self, seconds: float) -> None:
        """Shorten the deadline for the rest of the body to ``seconds`` from now."""
        self._deadline.shorten(seconds)


def send(
    request: HttpRequest, timeout_seconds: float, host_policy: HostPolicy, clock: Clock = time.monotonic
) -> HttpReply:
    """Send the request and read the whole reply within ``timeout_seconds``. Redirects are returned, not followed.

    Raises ``LlmUnreachable``, ``LlmTimeout``, ``LlmRefused`` (the request can't or mustn't be sent) and
    ``LlmAnswerInvalid`` (the reply isn't HTTP, or is over 10 MB). No status is an error here. There is no retry.
    """
    deadline = Deadline(timeout_seconds, clock)
    with translate_errors(request, deadline), _exchange(request, host_policy, deadline) as response:
        return _reply(response, request)


@contextmanager
def stream(
    request: HttpRequest,
    timeout_seconds: float,
    host_policy: HostPolicy,
    clock: Clock = time.monotonic,
    is_stream: Callable[[bytes], bool | None] = is_stream,
) -> Iterator[HttpReply | Chunks]:
    """As ``send``, but a success that is a stream of events yields its chunks as they arrive.

    A stream is recognised by its first bytes, after any white space. Reading the chunks raises what ``send`` raises,
    and has the same deadline and the same limit of 10 MB. Exceptions of the block itself pass through unchanged. The
    connection is closed after the block, unless the stream was read to its end.
    """
    deadline = Deadline(timeout_seconds, clock)
    with translate_errors(request, deadline):
        response = _exchange(request, host_policy, deadline)
    with response:
        if response.status_code not in SUCCESSES:
            with translate_errors(request, deadline):
                reply = _reply(response, request)
            yield reply
            return
        chunks = _chunks(response, request, deadline)
        prefix = _prefix(chunks, is_stream)
        streamed = is_stream(prefix)
        if streamed or (streamed is None and prefix[:1] == b":"):
            yield Chunks(chain((prefix,), chunks), deadline)
            _read_end(response, deadline)
        else:
            yield _reply_of(response, strip_comments(prefix + b"".join(chunks)))


def _exchange(request: HttpRequest, host_policy: HostPolicy, deadline: Deadline) -> requests.Response:
    """The reply's status and headers; its body is not read yet."""
    left = deadline.left()
    return session(host_policy).request(
        request.method,
        request.url,
        data=request.body,
        headers=dict(request.headers),
        timeout=(min(CONNECT_SECONDS, left), left),
        allow_redirects=False,
        stream=True,
    )


def _reply(response: requests.Response, request: HttpRequest) -> HttpReply:
    return _reply_of(response, _body(response, request))


def _reply_of(response: requests.Response, body: bytes) -> HttpReply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpReply(status=response.status_code, headers=headers, body=body)


def _prefix(chunks: Iterator[bytes], is_stream: Callable[[bytes], bool | None]) -> bytes:
    """As many chunks as ``is_stream`` needs, joined; all, if it never decides."""
    prefix = b""
    for chunk in chunks:
        prefix = (prefix + chunk).lstrip(INSIGNIFICANT)
        if is_stream(prefix) is not None:
            break
    return prefix


def _chunks(response: requests.Response, request: HttpRequest, deadline: Deadline) -> Iterator[bytes]:
    """Decoded chunks as they arrive, up to the size limit. The deadline scope covers reading, not the caller's work
    between two chunks."""
    received = 0
    while True:
        with translate_errors(request, deadline):
            chunk = response.raw.read1(CHUNK_BYTES, decode_content=True)
        if not chunk:
            return
        received += len(chunk)
        if received > MAX_BODY_BYTES:
            raise _too_long(request, MAX_BODY_BYTES)
        yield chunk


def _read_end(response: requests.Response, deadline: Deadline) -> None:
    """After an answer only the end of the body follows, usually at once; then the connection can be reused."""
    with suppress(*FOREIGN), deadline_scope(deadline.at_most(END_SECONDS)):
        response.raw.read1(1, decode_content=True)


def _body(response: requests.Response, request: HttpRequest) -> bytes:
    """The decoded body, up to the size limit; only a body read to its end lets the connection be reused."""
    succeeded = response.status_code in SUCCESSES
    bound = MAX_BODY_BYTES if succeeded else MAX_FAILURE_BYTES
    body = bytearray()
    for chunk in response.raw.stream(CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > bound:
            break
    if succeeded and len(body) > bound:
        raise _too_long(request, bound)
    return bytes(body[:bound])


def _too_long(request: HttpRequest, bound: int) -> LlmAnswerInvalid:
    return LlmAnswerInvalid(f"LLM instance {request.instance_name!r} sent an answer of more than {bound:,} bytes.")


class _Adapter(DeadlineAdapter):
    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        """Check the host exactly where the pool gets it from, so that no other part can parse it differently.

        Called for every request: also through a proxy, and on a reused connection.
        """
        host, tls = super().build_connection_pool_key_attributes(*args, **kwargs)
        check_host(host["scheme"], host["host"], self.host_policy)
        return host, tls


class _Session(requests.Session):
    def __init__(self, host_policy: HostPolicy) -> None:
        super().__init__()
        self._host_policy = host_policy

    def get_redirect_target(self, resp: object) -> None:
        """Always ``None``: else requests would read a redirect's body without a limit, even if not following it."""

    def merge_environment_settings(self, url: Any, *args: Any) -> Any:
        settings = super().merge_environment_settings(url, *args)
        if not self._host_policy.allow_private or _is_this_machine(url):
            settings["proxies"] = {}
        return settings


@cache
def session(host_policy: HostPolicy) -> requests.Session:
    """One session per host policy: no connection is shared between policies."""
    session = _Session(host_policy)
    session.headers = {"User-Agent": "baton", "Accept-Encoding": "identity"}
    session.auth = _no_auth
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.mount("http://", _Adapter(host_policy))
    session.mount("https://", _Adapter(host_policy))
    return session


def _no_auth(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that does nothing; without one, requests reads ``.netrc``."""
    return prepared


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
