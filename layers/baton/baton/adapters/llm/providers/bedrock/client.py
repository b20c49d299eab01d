"""boto3's client for Bedrock, with our own way out in place of its own.

boto3 finds credentials and region, writes the body, signs it and reads the answer. Where it would connect, its event
``before-send`` hands the signed request to ``transport``, so a call to Bedrock has the same deadline, the same bounds
and the same rules on where it may go as any other. It is sent once: waiting is the state machine's matter.
For a stream, boto3 only writes and signs the request.

The only bytes outside of that are those of boto3's search for credentials, which on Lambda are in the environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
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
from baton.adapters.llm.http.transport import send
from baton.adapters.llm.http.wire import SUCCESSES, HttpReply, HttpRequest
from baton.adapters.llm.providers.bedrock.failures import UNREADABLE, client_failure, service_failure
from baton.domain.llm.calls import LlmCall

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})

_calling: ContextVar[LlmCall] = ContextVar("calling")
"""The call that this thread is making: the client, and so what it hands over to, is everybody's."""

_kept: ContextVar[list[HttpRequest]] = ContextVar("kept")
"""Where a request goes that is only signed."""


def converse(parameters: Mapping[str, Any], call: LlmCall) -> dict[str, Any]:
    """What Converse answers. Raises nothing but ``LlmError``."""
    client = _client_for(call)
    try:
        with _made_for(call):
            return dict(client.converse(**parameters))
    except ClientError as error:
        raise service_failure(error.response, call, datetime.now(UTC)) from None
    except BotoCoreError as error:
        raise client_failure(error, call) from None
    except UNREADABLE:
        raise invalid(call, "that isn't what Converse promises") from None


def signed(parameters: Mapping[str, Any], call: LlmCall) -> HttpRequest:
    """The request for ConverseStream, to be sent by the caller. Raises nothing but ``LlmError``."""
    client = _client_for(call)
    if not hasattr(client, "converse_stream"):
        raise client_failure(UnknownClientMethodError(method_name="converse_stream"), call)
    kept: list[HttpRequest] = []
    token = _kept.set(kept)
    try:
        with _made_for(call):
            client.converse_stream(**parameters)
    except BotoCoreError as error:
        raise client_failure(error, call) from None
    finally:
        _kept.reset(token)
    return kept[0]


@cache
def bedrock() -> Any:
    """One client, in the session of all others, which knows AWS's endpoints already: that saves most of the time."""
    client: Any = boto3.client("bedrock-runtime", config=ONCE)
    client.meta.events.register("before-send.bedrock-runtime.Converse", _send)
    client.meta.events.register("before-send.bedrock-runtime.ConverseStream", _keep)
    return client


def _client_for(call: LlmCall) -> Any:
    try:
        return bedrock()
    except (BotoCoreError, ValueError) as error:
        raise client_failure(error, call) from None


@contextmanager
def _made_for(call: LlmCall) -> Iterator[None]:
    token = _calling.set(call)
    try:
        yield
    finally:
        _calling.reset(token)


def _send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    """In place of botocore's own connection. What is raised here, botocore lets pass as it is."""
    call = _calling.get()
    reply = send(_request(request, call), call.timeout_seconds)
    return AWSResponse(request.url, reply.status, HTTPHeaders.from_dict(reply.headers), _Body(_readable(reply, call)))


def _keep(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    """Nothing is sent; botocore gets an answer without events, which nobody reads."""
    _kept.get().append(_request(request, _calling.get()))
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


def _readable(reply: HttpReply, call: LlmCall) -> bytes:
    """The body in sound UTF-8, if it is an object: botocore's parser stumbles over anything else."""
    if reply.status in SUCCESSES:
        expect(json_body(reply, call), dict, "body", call)
    elif reply.status < SUCCESSES.start or not isinstance(parsed(reply.body), dict):
        raise failure_of(reply, call, datetime.now(UTC))
    return reply.body.decode("utf-8-sig", "replace").encode()


class _Body:
    """As much of urllib3's response as botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        """All of it, in one piece."""
        yield self._body
