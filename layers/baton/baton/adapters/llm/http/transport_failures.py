"""Errors of requests, urllib3 and sockets, translated to ``LlmError`` by one table."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from requests import exceptions as requests_errors
from urllib3 import exceptions as urllib3_errors

from baton.adapters.llm.http.addresses import ForbiddenHost
from baton.adapters.llm.http.deadline import Deadline, deadline_scope
from baton.adapters.llm.http.wire import HttpRequest, encodable, timed_out
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmRefused, LlmTimeout, LlmUnreachable

CANT_CONNECT = "can't be reached"
BROKE = "broke the connection"
BAD_REQUEST = "can't be called as it is configured; check its base URL"
NOT_HTTP = "sent something that isn't a whole HTTP answer"

FAILURES: Mapping[type[Exception], tuple[type[LlmError], str]] = {
    requests_errors.ConnectTimeout: (LlmUnreachable, CANT_CONNECT),
    requests_errors.ProxyError: (LlmUnreachable, "can't be reached through the proxy"),
    requests_errors.SSLError: (LlmUnreachable, "can't be reached over TLS"),
    requests_errors.ConnectionError: (LlmUnreachable, CANT_CONNECT),
    requests_errors.ReadTimeout: (LlmTimeout, ""),
    requests_errors.Timeout: (LlmTimeout, ""),
    requests_errors.ChunkedEncodingError: (LlmUnreachable, BROKE),
    requests_errors.ContentDecodingError: (LlmAnswerInvalid, NOT_HTTP),
    requests_errors.StreamConsumedError: (LlmAnswerInvalid, NOT_HTTP),
    requests_errors.JSONDecodeError: (LlmAnswerInvalid, NOT_HTTP),
    requests_errors.InvalidJSONError: (LlmRefused, BAD_REQUEST),
    requests_errors.InvalidProxyURL: (LlmRefused, "has a proxy URL that can't be used"),
    requests_errors.InvalidURL: (LlmRefused, BAD_REQUEST),
    requests_errors.InvalidSchema: (LlmRefused, BAD_REQUEST),
    requests_errors.MissingSchema: (LlmRefused, BAD_REQUEST),
    requests_errors.URLRequired: (LlmRefused, BAD_REQUEST),
    requests_errors.InvalidHeader: (
        LlmRefused,
        "can't be called: a header, perhaps the API key, has a forbidden character",
    ),
    requests_errors.TooManyRedirects: (LlmRefused, BAD_REQUEST),
    requests_errors.UnrewindableBodyError: (LlmUnreachable, BROKE),
    requests_errors.RetryError: (LlmUnreachable, CANT_CONNECT),
    requests_errors.HTTPError: (LlmUnreachable, CANT_CONNECT),
    requests_errors.RequestException: (LlmUnreachable, CANT_CONNECT),
    urllib3_errors.TimeoutError: (LlmTimeout, ""),
    urllib3_errors.NewConnectionError: (LlmUnreachable, CANT_CONNECT),
    urllib3_errors.ConnectTimeoutError: (LlmUnreachable, CANT_CONNECT),
    urllib3_errors.SSLError: (LlmUnreachable, BROKE),
    urllib3_errors.InvalidHeader: (LlmAnswerInvalid, NOT_HTTP),
    urllib3_errors.DecodeError: (LlmAnswerInvalid, NOT_HTTP),
    urllib3_errors.ProtocolError: (LlmUnreachable, BROKE),
    urllib3_errors.LocationValueError: (LlmRefused, BAD_REQUEST),
    urllib3_errors.HTTPError: (LlmUnreachable, BROKE),
    ssl.SSLCertVerificationError: (LlmRefused, "shows a certificate that isn't trusted"),
    http.client.InvalidURL: (LlmRefused, BAD_REQUEST),
    http.client.HTTPException: (LlmAnswerInvalid, NOT_HTTP),
    UnicodeError: (LlmRefused, BAD_REQUEST),
    TimeoutError: (LlmTimeout, ""),
    OSError: (LlmUnreachable, CANT_CONNECT),
}
"""Everything that requests, urllib3 and sockets may raise here; the nearest base class in the table counts."""

FOREIGN = (OSError, urllib3_errors.HTTPError, http.client.HTTPException, UnicodeError)


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
    kind, what = _classified(error)
    late = kind is LlmUnreachable and deadline.is_over and not isinstance(error, requests_errors.ConnectTimeout)
    if kind is LlmTimeout or late:  # requests reports a send that timed out as a broken connection
        return timed_out(request.instance_name, deadline.seconds)
    reason = _reason(error) if kind is LlmUnreachable else ""
    return kind(f"LLM instance {request.instance_name!r} {what} ({_host(request.url)}){reason}.")


def _classified(error: Exception) -> tuple[type[LlmError], str]:
    """The entry of ``FAILURES`` for the error's nearest base class.

    A certificate error and an invalid response header take precedence, anywhere in the chain of causes.
    """
    for kind in (ssl.SSLCertVerificationError, urllib3_errors.InvalidHeader):
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
    return isinstance(error, requests_errors.InvalidHeader | UnicodeError)


def _host(url: str) -> str:
    """Host and port only: a query may contain a key."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "no host"
    return encodable(f"{parts.hostname}{port}")
