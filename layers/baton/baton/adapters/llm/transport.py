"""The one way out: connections are kept, the whole call has an end, and every failure has a name of ours.

What the environment may say: a CA bundle (``REQUESTS_CA_BUNDLE``) is honoured; a proxy (``HTTPS_PROXY``, ``NO_PROXY``)
only where private addresses are allowed, since it would look names up by itself, behind the check of what they lead to.
This machine's own addresses are never asked of it. ``.netrc`` is never read, since requests would let it replace the
instance's key. Cookies are not kept: the session serves every tenant.
"""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import time
from collections.abc import Iterator, Mapping
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import exceptions as theirs
from urllib3 import exceptions as urllib3

from baton.adapters.llm.addresses import ForbiddenHost, check_host, current_hosts
from baton.adapters.llm.deadline import Clock, Deadline, DeadlineAdapter, until
from baton.adapters.llm.failures import timed_out
from baton.adapters.llm.wire import SUCCESSES, HttpReply, HttpRequest, encodable
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmTimeout, LlmUnreachable
from baton.domain.llm_hosts import LlmHosts

CONNECT_SECONDS = 5.0
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_FAILURE_BYTES = 64 * 1024
"""Of a reply without success only the beginning is read: enough for its message."""

CHUNK_BYTES = 64 * 1024

CANT_CONNECT = "can't be reached"
BROKE = "broke the connection"
BAD_REQUEST = "can't be called as it is configured; check its base URL"
NOT_HTTP = "sent something that isn't a whole HTTP answer"

FAILURES: Mapping[type[Exception], tuple[type[LlmError], str]] = {
    theirs.ConnectTimeout: (LlmUnreachable, CANT_CONNECT),
    theirs.ProxyError: (LlmUnreachable, "can't be reached through the proxy"),
    theirs.SSLError: (LlmUnreachable, "can't be reached over TLS"),
    theirs.ConnectionError: (LlmUnreachable, CANT_CONNECT),
    theirs.ReadTimeout: (LlmTimeout, ""),
    theirs.Timeout: (LlmTimeout, ""),
    theirs.ChunkedEncodingError: (LlmUnreachable, BROKE),
    theirs.ContentDecodingError: (LlmAnswerInvalid, NOT_HTTP),
    theirs.StreamConsumedError: (LlmAnswerInvalid, NOT_HTTP),
    theirs.JSONDecodeError: (LlmAnswerInvalid, NOT_HTTP),
    theirs.InvalidJSONError: (LlmRefused, BAD_REQUEST),
    theirs.InvalidProxyURL: (LlmRefused, "has a proxy URL that can't be used"),
    theirs.InvalidURL: (LlmRefused, BAD_REQUEST),
    theirs.InvalidSchema: (LlmRefused, BAD_REQUEST),
    theirs.MissingSchema: (LlmRefused, BAD_REQUEST),
    theirs.URLRequired: (LlmRefused, BAD_REQUEST),
    theirs.InvalidHeader: (LlmRefused, "can't be called: a header, perhaps the API key, has a forbidden character"),
    theirs.TooManyRedirects: (LlmRefused, BAD_REQUEST),
    theirs.UnrewindableBodyError: (LlmUnreachable, BROKE),
    theirs.RetryError: (LlmUnreachable, CANT_CONNECT),
    theirs.HTTPError: (LlmUnreachable, CANT_CONNECT),
    theirs.RequestException: (LlmUnreachable, CANT_CONNECT),
    urllib3.TimeoutError: (LlmTimeout, ""),
    urllib3.NewConnectionError: (LlmUnreachable, CANT_CONNECT),
    urllib3.ConnectTimeoutError: (LlmUnreachable, CANT_CONNECT),
    urllib3.SSLError: (LlmUnreachable, BROKE),
    urllib3.DecodeError: (LlmAnswerInvalid, NOT_HTTP),
    urllib3.ProtocolError: (LlmUnreachable, BROKE),
    urllib3.LocationValueError: (LlmRefused, BAD_REQUEST),
    urllib3.HTTPError: (LlmUnreachable, BROKE),
    ssl.SSLCertVerificationError: (LlmRefused, "shows a certificate that isn't trusted"),
    http.client.InvalidURL: (LlmRefused, BAD_REQUEST),
    http.client.HTTPException: (LlmAnswerInvalid, NOT_HTTP),
    UnicodeError: (LlmRefused, BAD_REQUEST),
    TimeoutError: (LlmTimeout, ""),
    OSError: (LlmUnreachable, CANT_CONNECT),
}
"""Everything that requests, urllib3 and the sockets below them may raise here; the nearest base class counts."""

FOREIGN = (OSError, urllib3.HTTPError, http.client.HTTPException, UnicodeError)


def send(request: HttpRequest, timeout_seconds: float, clock: Clock = time.monotonic) -> HttpReply:
    """Send it and read the whole reply, redirects included as they are, within ``timeout_seconds``.

    Raises ``LlmUnreachable``, ``LlmTimeout``, ``LlmRefused`` (what can't or mustn't be sent) and ``LlmAnswerInvalid``
    (what isn't HTTP, or is over 10 MB). A status is never an error here. Sent once: whether to try again is the
    caller's matter.
    """
    deadline = Deadline(timeout_seconds, clock)
    try:
        with until(deadline):
            return _exchange(request, deadline)
    except ForbiddenHost as error:
        raise LlmRefused(f"LLM instance {request.instance_name!r} may not call {encodable(str(error))}.") from None
    except FOREIGN as error:
        named = _named(error, request, timeout_seconds, deadline)
        raise named from (None if _tells_headers(error) else error)


def _exchange(request: HttpRequest, deadline: Deadline) -> HttpReply:
    left = deadline.left()
    with session(current_hosts()).request(
        request.method,
        request.url,
        data=request.body,
        headers=dict(request.headers),
        timeout=(min(CONNECT_SECONDS, left), left),
        allow_redirects=False,
        stream=True,
    ) as response:
        body = _body(response, request)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpReply(status=response.status_code, headers=headers, body=body)


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
        raise LlmAnswerInvalid(f"LLM instance {request.instance_name!r} sent an answer of more than {bound:,} bytes.")
    return bytes(body[:bound])


class _Adapter(DeadlineAdapter):
    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        """In these words, and no others, the pool is told where to connect: what is checked can't be read differently.

        Behind a proxy too, and for a connection that was kept.
        """
        host, tls = super().build_connection_pool_key_attributes(*args, **kwargs)
        check_host(host["scheme"], host["host"])
        return host, tls


class _Session(requests.Session):
    def __init__(self, hosts: LlmHosts) -> None:
        super().__init__()
        self._hosts = hosts

    def get_redirect_target(self, resp: object) -> None:
        """None, ever: requests prepares the next request, and reads this body without bound, even if none follows."""

    def merge_environment_settings(self, url: Any, *args: Any) -> Any:
        settings = super().merge_environment_settings(url, *args)
        if not self._hosts.allow_private or _is_this_machine(url):
            settings["proxies"] = {}
        return settings


@cache
def session(hosts: LlmHosts) -> requests.Session:
    """One for each set of hosts: a connection that one of them allowed is none of another's."""
    session = _Session(hosts)
    session.headers = {"User-Agent": "baton", "Accept-Encoding": "identity"}
    session.auth = _as_it_is
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.mount("http://", _Adapter())
    session.mount("https://", _Adapter())
    return session


def _as_it_is(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """An authentication that does nothing; without one, requests looks into ``.netrc``."""
    return prepared


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _named(error: Exception, request: HttpRequest, timeout_seconds: float, deadline: Deadline) -> LlmError:
    kind, what = _row(error)
    late = kind is LlmUnreachable and deadline.is_over and not isinstance(error, theirs.ConnectTimeout)
    if kind is LlmTimeout or late:  # a send that ran out of time is called a broken connection by requests
        return timed_out(request.instance_name, timeout_seconds)
    reason = _reason(error) if kind is LlmUnreachable else ""
    return kind(f"LLM instance {request.instance_name!r} {what} ({_host(request.url)}){reason}.")


def _row(error: Exception) -> tuple[type[LlmError], str]:
    """The table's row for the nearest class; a certificate counts wherever in the chain it is."""
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error)):
        return FAILURES[ssl.SSLCertVerificationError]
    return next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)


def _reason(error: Exception) -> str:
    """The operating system's own words, which name no URL and no header."""
    words = [cause.strerror for cause in _chain(error) if isinstance(cause, OSError) and cause.strerror]
    return f": {words[-1]}" if words else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__context__ or cause.__cause__  # a __cause__ of urllib3 was often never raised: it ends there


def _tells_headers(error: Exception) -> bool:
    """Whether its text quotes a header, and so perhaps the key, into a traceback."""
    return isinstance(error, theirs.InvalidHeader | UnicodeError)


def _host(url: str) -> str:
    """Host and port only: a query may hold a key."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "no host"
    return encodable(f"{parts.hostname}{port}")
