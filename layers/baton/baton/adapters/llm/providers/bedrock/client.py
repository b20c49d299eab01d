"""boto3's client for Bedrock, with Baton's HTTP transport in place of its own.

boto3 finds credentials and region, builds the body, signs it and parses the reply. Where it would connect, its event
``before-send`` passes the signed request to the ``HttpTransport``, so a call to Bedrock has the same deadline, limits
and host policy as any other. There is no retry: the state machine does that. For a stream, boto3 only builds and signs
the request.

Only boto3's search for credentials makes connections of its own; on Lambda, credentials are in the environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, UnknownClientMethodError

from baton.adapters.llm.formats.failures import failure_of, parsed
from baton.adapters.llm.formats.response_parts import expect, invalid, json_body
from baton.adapters.llm.http.http_transport import PUBLIC_ONLY, HttpTransport
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, HttpRequest
from baton.adapters.llm.providers.bedrock.failures import UNREADABLE, client_failure, service_failure
from baton.domain.llm.calls import LlmCall

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

WITHOUT_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 1})


@dataclass(frozen=True, slots=True)
class _Exchange:
    """The call that is being made. ``transport`` sends it; without one, the signed request is added to ``signed``."""

    call: LlmCall
    transport: HttpTransport | None = None
    signed: list[HttpRequest] = field(default_factory=list)


_exchange: ContextVar[_Exchange] = ContextVar("exchange")
"""Read by the client's event handlers: all calls share the client, and botocore does not pass the call to them."""


def converse(parameters: Mapping[str, Any], call: LlmCall, transport: HttpTransport) -> dict[str, Any]:
    """Call Converse and return its response. Raises only ``LlmError``."""
    client = _client_for(call)
    try:
        with _exchange_scope(_Exchange(call, transport)):
            return dict(client.converse(**parameters))
    except ClientError as error:
        raise service_failure(error.response, call, datetime.now(UTC)) from None
    except BotoCoreError as error:
        raise client_failure(error, call) from None
    except UNREADABLE:
        raise invalid(call, "that does not match Converse's response format") from None


def sign_stream_request(parameters: Mapping[str, Any], call: LlmCall) -> HttpRequest:
    """The signed request for ConverseStream, for the caller to send. Raises only ``LlmError``."""
    client = _client_for(call)
    if not hasattr(client, "converse_stream"):
        raise client_failure(UnknownClientMethodError(method_name="converse_stream"), call)
    exchange = _Exchange(call)
    try:
        with _exchange_scope(exchange):
            client.converse_stream(**parameters)
    except BotoCoreError as error:
        raise client_failure(error, call) from None
    return exchange.signed[0]


@cache
def bedrock() -> Any:
    """One client, in boto3's default session, which has already loaded AWS's endpoints; loading them is slow."""
    client: Any = boto3.client("bedrock-runtime", config=WITHOUT_RETRIES)
    client.meta.events.register("before-send.bedrock-runtime.Converse", _send)
    client.meta.events.register("before-send.bedrock-runtime.ConverseStream", _store_signed)
    return client


def _client_for(call: LlmCall) -> Any:
    try:
        return bedrock()
    except (BotoCoreError, ValueError) as error:
        raise client_failure(error, call) from None


@contextmanager
def _exchange_scope(exchange: _Exchange) -> Iterator[None]:
    token = _exchange.set(exchange)
    try:
        yield
    finally:
        _exchange.reset(token)


def _send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    """In place of botocore's own connection. Exceptions from here pass through botocore unchanged."""
    exchange = _exchange.get()
    call = exchange.call
    reply = (exchange.transport or PUBLIC_ONLY).send(_request(request, call), call.timeout_seconds)
    return AWSResponse(
        request.url, reply.status, HTTPHeaders.from_dict(reply.headers), _Body(_checked_body(reply, call))
    )


def _store_signed(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    """Nothing is sent; botocore gets a response without events, which is never read."""
    exchange = _exchange.get()
    exchange.signed.append(_request(request, exchange.call))
    return AWSResponse(request.url, SUCCESSES.start, HTTPHeaders(), _Body(b""))


def _request(prepared: AWSPreparedRequest, call: LlmCall) -> HttpRequest:
    return HttpRequest(
        instance_name=call.endpoint.instance_name,
        url=prepared.url,
        headers={name: _header(value) for name, value in prepared.headers.items()},
        body=cast("bytes", prepared.body),
    )


def _header(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _checked_body(reply: HttpReply, call: LlmCall) -> bytes:
    """The body in valid UTF-8, if it is an object: botocore's parser fails on anything else."""
    if reply.status in SUCCESSES:
        expect(json_body(reply, call), dict, "body", call)
    elif reply.status < SUCCESSES.start or not isinstance(parsed(reply.body), dict):
        raise failure_of(reply, call, datetime.now(UTC))
    return reply.body.decode("utf-8-sig", "replace").encode()


class _Body:
    """The part of urllib3's response that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        """The whole body as one chunk."""
        yield self._body
