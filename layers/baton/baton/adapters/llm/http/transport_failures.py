"""What goes wrong on the way, by names of ours: one table for everything that requests and what is below it raise."""

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
"""Everything that requests, urllib3 and the sockets below them may raise here; the nearest base class counts."""

FOREIGN = (OSError, urllib3.HTTPError, http.client.HTTPException, UnicodeError)


@contextmanager
def translate_errors(request: HttpRequest, deadline: Deadline) -> Iterator[None]:
    """What is sent and read in here ends with the deadline, and what goes wrong has a name of ours."""
    try:
        with deadline_scope(deadline):
            yield
    except ForbiddenHost as error:
        raise LlmRefused(f"LLM instance {request.instance_name!r} may not call {encodable(str(error))}.") from None
    except FOREIGN as error:
        named = _named(error, request, deadline)
        raise named from (None if _tells_headers(error) else error)


def _named(error: Exception, request: HttpRequest, deadline: Deadline) -> LlmError:
    kind, what = _row(error)
    late = kind is LlmUnreachable and deadline.is_over and not isinstance(error, theirs.ConnectTimeout)
    if kind is LlmTimeout or late:  # a send that ran out of time is called a broken connection by requests
        return timed_out(request.instance_name, deadline.seconds)
    reason = _reason(error) if kind is LlmUnreachable else ""
    return kind(f"LLM instance {request.instance_name!r} {what} ({_host(request.url)}){reason}.")


def _row(error: Exception) -> tuple[type[LlmError], str]:
    """The table's row for the nearest class; a certificate, or a header of the answer's, counts wherever it is."""
    for kind in (ssl.SSLCertVerificationError, urllib3.InvalidHeader):
        if any(isinstance(cause, kind) for cause in _chain(error)):
            return FAILURES[kind]
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
