"""Errors of requests, urllib3 and sockets, translated to ``LlmError`` by one table."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from requests import exceptions as theirs
from urllib3 import exceptions as urllib3

from baton.adapters.llm.formats.failures import timed_out
from baton.adapters.llm.http.addresses import ForbiddenHost
from baton.adapters.llm.http.deadline import Deadline, deadline_scope
from baton.adapters.llm.http.wire import HttpRequest, encodable
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmTimeout, LlmUnreachable

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
    urllib3.InvalidHeader: (LlmAnswerInvalid, NOT_HTTP),
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
"""Everything that requests, urllib3 and sockets may raise here; the nearest base class in the table counts."""

FOREIGN = (OSError, urllib3.HTTPError, http.client.HTTPException, UnicodeError)


@contextmanager
def translate_errors(request: HttpRequest, deadline: Deadline) -> Iterator[None]:
    """Within this block, sends and reads end with the deadline, and their errors become ``LlmError``."""
    try:
        with deadline_scope(deadline):
            yield
    except ForbiddenHost as error:
        raise LlmRefused(f"LLM instance {request.instance_name!r} may not call {encodable(str(error))}.") from None
    except FOREIGN as error:
        translated = _translated(error, request, deadline)
        raise translated from (None if _quotes_header(error) else error)


def _translated(error: Exception, request: HttpRequest, deadline: Deadline) -> LlmError:
    kind, what = _row(error)
    late = kind is LlmUnreachable and deadline.is_over and not isinstance(error, theirs.ConnectTimeout)
    if kind is LlmTimeout or late:  # requests reports a send that timed out as a broken connection
        return timed_out(request.instance_name, deadline.seconds)
    reason = _reason(error) if kind is LlmUnreachable else ""
    return kind(f"LLM instance {request.instance_name!r} {what} ({_host(request.url)}){reason}.")


def _row(error: Exception) -> tuple[type[LlmError], str]:
    """The table's row for the nearest class; a certificate or response header error counts anywhere in the chain."""
    for kind in (ssl.SSLCertVerificationError, urllib3.InvalidHeader):
        if any(isinstance(cause, kind) for cause in _chain(error)):
            return FAILURES[kind]
    return next(FAILURES[kind] for kind in type(error).__mro__ if kind in FAILURES)


def _reason(error: Exception) -> str:
    """The operating system's message, which contains no URL and no header."""
    messages = [cause.strerror for cause in _chain(error) if isinstance(cause, OSError) and cause.strerror]
    return f": {messages[-1]}" if messages else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__context__ or cause.__cause__  # urllib3 sets a __cause__ without a chain


def _quotes_header(error: Exception) -> bool:
    """Whether its text quotes a header, which would put the key into a traceback."""
    return isinstance(error, theirs.InvalidHeader | UnicodeError)


def _host(url: str) -> str:
    """Host and port only: a query may contain a key."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "no host"
    return encodable(f"{parts.hostname}{port}")
