"""A call to fill in, and a tiny endpoint on this machine that answers as a test scripts it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from baton.adapters.llm import transport
from baton.adapters.llm.addresses import reaching
from baton.domain.llm import LlmCall, LlmEndpoint, LlmSettings
from baton.domain.llm_hosts import LlmHosts

ANY_HOST = LlmHosts(allow_private=True)
KEY = "sk-test-0123456789"
PROMPT = "Tell me about the relay race of 1912 in one sentence."


@pytest.fixture(autouse=True)
def _any_host() -> Iterator[None]:
    """The endpoints of these tests are on this machine; what is refused by default is tested for itself."""
    with reaching(ANY_HOST):
        yield


@pytest.fixture(scope="session")
def a_call() -> Callable[..., LlmCall]:
    """Build a call; what isn't an ``LlmCall`` or ``LlmEndpoint`` field is a setting."""
    endpoint = LlmEndpoint(
        instance_id=1,
        instance_name="demo",
        provider="openai",
        base_url="https://llm.example/v1",
        model="small-1",
        timeout_seconds=30.0,
    )

    def build(*, prompt: str = PROMPT, api_key: str | None = KEY, tries: int = 0, **given: Any) -> LlmCall:
        ours = {name: given.pop(name) for name in ("provider", "base_url", "timeout_seconds") if name in given}
        return LlmCall(
            endpoint=replace(endpoint, **ours),
            settings=LlmSettings(**given),
            prompt=prompt,
            api_key=api_key,
            tries=tries,
        )

    return build


class Endpoint(ThreadingHTTPServer):
    """``script(handler)`` answers each POST; ``stopped`` lets a slow script end with its test."""

    def __init__(self) -> None:
        self.script: Callable[[Handler], object] = lambda handler: handler.reply(200, b"{}")
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    disable_nagle_algorithm = True
    server: Endpoint

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.server.script(self)

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def trickle(self, start: bytes) -> None:
        """Send ``start``, then a byte every 20 ms for as long as the test lasts: no read ever times out."""
        self.close_connection = True
        self.wfile.write(start)
        while not self.server.stopped.wait(0.02):
            self.wfile.write(b"x")

    def log_message(self, *_args: object) -> None:
        pass


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
