"""The one way out: connections are kept, the whole call has an end, and every failure has a name of ours.

What the environment may say: a CA bundle (``REQUESTS_CA_BUNDLE``) is honoured; a proxy (``HTTPS_PROXY``, ``NO_PROXY``)
only where private addresses are allowed, since it would look names up by itself, behind the check of what they lead to.
This machine's own addresses are never asked of it. ``.netrc`` is never read, since requests would let it replace the
instance's key. Cookies are not kept: the session serves every tenant.
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
from baton.adapters.llm.http.server_sent_events import INSIGNIFICANT, is_stream, without_comments
from baton.adapters.llm.http.transport_failures import FOREIGN, translate_errors
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, HttpRequest
from baton.domain.errors import LlmAnswerInvalid
from baton.domain.llm.hosts import HostPolicy

CONNECT_SECONDS = 5.0
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_FAILURE_BYTES = 64 * 1024
"""Of a reply without success only the beginning is read: enough for its message."""

CHUNK_BYTES = 64 * 1024
END_SECONDS = 0.2
"""For the end of a body whose answer is known: some servers leave it open."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """A body in pieces as they arrive, to be read once."""

    _arriving: Iterator[bytes]
    _deadline: Deadline

    def __iter__(self) -> Iterator[bytes]:
        return self._arriving

    def end_within(self, seconds: float) -> None:
        """Wait no longer than this for what is still to come."""
        self._deadline.shorten(seconds)


def send(
    request: HttpRequest, timeout_seconds: float, host_policy: HostPolicy, clock: Clock = time.monotonic
) -> HttpReply:
    """Send it and read the whole reply, redirects included as they are, within ``timeout_seconds``.

    Raises ``LlmUnreachable``, ``LlmTimeout``, ``LlmRefused`` (what can't or mustn't be sent) and ``LlmAnswerInvalid``
    (what isn't HTTP, or is over 10 MB). A status is never an error here. Sent once: whether to try again is the
    caller's matter.
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
    """As ``send``, but a success that is a stream of events is handed over in chunks, as they arrive inside the block.

    What a success is, its first bytes tell; white space before them is left out. Reading the chunks raises what
    ``send`` raises, and ends within the same time and the same 10 MB. What the block raises of its own passes through
    unchanged. The connection ends with the block, unless the stream had come to its end.
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
        beginning = _beginning(chunks, is_stream)
        told = is_stream(beginning)
        if told or (told is None and beginning[:1] == b":"):
            yield Chunks(chain((beginning,), chunks), deadline)
            _read_the_end(response, deadline)
        else:
            yield _reply_of(response, without_comments(beginning + b"".join(chunks)))


def _exchange(request: HttpRequest, host_policy: HostPolicy, deadline: Deadline) -> requests.Response:
    """The beginning of the reply; its body is still to be read."""
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


def _beginning(chunks: Iterator[bytes], is_stream: Callable[[bytes], bool | None]) -> bytes:
    """So much of them that it can be told what they are; all, if that can't be told."""
    begun = b""
    for chunk in chunks:
        begun = (begun + chunk).lstrip(INSIGNIFICANT)
        if is_stream(begun) is not None:
            break
    return begun


def _chunks(response: requests.Response, request: HttpRequest, deadline: Deadline) -> Iterator[bytes]:
    """Whatever has arrived, decoded, up to the bound. The deadline is set for the reading only, not for the reader."""
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


def _read_the_end(response: requests.Response, deadline: Deadline) -> None:
    """Nothing but the end of the body follows an answer, as a rule at once; then the connection can be used again."""
    with suppress(*FOREIGN), deadline_scope(deadline.at_most(END_SECONDS)):
        response.raw.read1(1, decode_content=True)


def _body(response: requests.Response, request: HttpRequest) -> bytes:
    """Decoded, up to the bound; reading to the very end is what lets the connection be used again."""
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
        """In these words, and no others, the pool is told where to connect: what is checked can't be read differently.

        Behind a proxy too, and for a connection that was kept.
        """
        host, tls = super().build_connection_pool_key_attributes(*args, **kwargs)
        check_host(host["scheme"], host["host"], self.host_policy)
        return host, tls


class _Session(requests.Session):
    def __init__(self, host_policy: HostPolicy) -> None:
        super().__init__()
        self._host_policy = host_policy

    def get_redirect_target(self, resp: object) -> None:
        """None, ever: requests prepares the next request, and reads this body without bound, even if none follows."""

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
    """An authentication that does nothing; without one, requests looks into ``.netrc``."""
    return prepared


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
