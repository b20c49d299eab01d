"""What the tests of the LLM adapters share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from baton.adapters.llm.http import transport
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.endpoints import LlmEndpoint
from baton.domain.llm.settings import LlmSettings
from tests.support.llm_endpoint import ANY_HOST, ENDPOINT_FIELDS, KEY, PROMPT, Endpoint


@pytest.fixture(scope="session")
def a_call() -> Callable[..., LlmCall]:
    """Build a call; arguments that are no field of ``LlmCall`` or ``LlmEndpoint`` are settings."""
    endpoint = LlmEndpoint(
        instance_id=1,
        instance_name="demo",
        provider="openai",
        base_url="https://llm.example/v1",
        model="small-1",
        timeout_seconds=30.0,
    )

    def build(
        *,
        prompt: str = PROMPT,
        api_key: str | None = KEY,
        tries: int = 0,
        **fields: Any,
    ) -> LlmCall:
        endpoint_fields = {name: fields.pop(name) for name in ENDPOINT_FIELDS if name in fields}
        return LlmCall(
            endpoint=replace(endpoint, **endpoint_fields),
            settings=LlmSettings(**fields),
            prompt=prompt,
            api_key=api_key,
            tries=tries,
        )

    return build


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    transport.session(ANY_HOST).close()
    transport.session.cache_clear()
    server.stopped.set()
    server.shutdown()
    server.server_close()
    thread.join()
