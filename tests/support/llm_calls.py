"""Calls of the LLM adapters from tests: to any host by default, since the endpoints of tests are on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from baton.adapters.llm import registry
from baton.adapters.llm.http import transport
from baton.adapters.llm.http.http_transport import HttpTransport
from baton.adapters.llm.http.wire import HttpReply, HttpRequest
from baton.adapters.llm.provider import Provider
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.hosts import HostPolicy
from tests.support.llm_endpoint import ANY_HOST

TRANSPORT = HttpTransport(ANY_HOST)


def complete(
    call: LlmCall,
    listener: AnswerListener | None = None,
    transport: HttpTransport = TRANSPORT,
    providers: Mapping[str, Provider] = registry.PROVIDERS,
) -> LlmAnswer:
    """``registry.complete`` with the defaults of tests."""
    return registry.complete(call, listener, transport, providers)


def check(
    call: LlmCall, transport: HttpTransport = TRANSPORT, providers: Mapping[str, Provider] = registry.PROVIDERS
) -> Sequence[str] | None:
    """``registry.check`` with the defaults of tests."""
    return registry.check(call, transport, providers)


def send(
    request: HttpRequest,
    timeout_seconds: float,
    host_policy: HostPolicy = ANY_HOST,
    clock: Callable[[], float] = time.monotonic,
) -> HttpReply:
    """``transport.send`` with the defaults of tests."""
    return transport.send(request, timeout_seconds, host_policy, clock)
