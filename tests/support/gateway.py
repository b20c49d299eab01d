"""The HTTP API as a WSGI application: converts requests and answers as API Gateway does."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tests.support.events import http_event
from tests.support.functions import invoke
from tests.support.routes import function_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")
"""Bodies of these types are passed to a function as text; all others in base64."""


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Calls the function of the route of each request."""
    event = event_of(environ)
    reply = invoke(function_of(environ["REQUEST_METHOD"], event["rawPath"]), event)
    status = HTTPStatus(reply["statusCode"])
    start_response(f"{status.value} {status.phrase}", list(reply["headers"].items()))
    body = reply["body"]
    return [base64.b64decode(body) if reply.get("isBase64Encoded") else body.encode()]


def event_of(environ: WSGIEnvironment) -> dict[str, Any]:
    """The event of payload format 2.0: names of headers in lower case, repeated values joined by commas."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    query = environ["QUERY_STRING"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    event = http_event(environ["REQUEST_METHOD"], path, query=query_of(query))
    event |= {"rawQueryString": query, "headers": headers, **body_of(body, headers.get("content-type", ""))}
    return {name: value for name, value in event.items() if value is not None}


def query_of(text: str) -> dict[str, str] | None:
    """``None`` without parameters, as with API Gateway."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return {name: ",".join(repeated) for name, repeated in values.items()} or None


def body_of(sent: bytes, content_type: str) -> dict[str, Any]:
    """A body without a text type is sent in base64, and so is one with a text type that isn't text."""
    if not sent:
        return {"body": None, "isBase64Encoded": False}
    try:
        if content_type.lower().startswith(TEXT_TYPES):
            return {"body": sent.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        pass
    return {"body": base64.b64encode(sent).decode(), "isBase64Encoded": True}
