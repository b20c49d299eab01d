"""An endpoint on this machine that answers as a test scripts it, and a listener that records."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from baton.adapters.llm.formats.streaming import TextChunks
from baton.domain.llm.calls import LlmAnswer
from baton.domain.llm.hosts import HostPolicy

ANY_HOST = HostPolicy(allow_private=True, allow_loopback=True)
KEY = "sk-test-0123456789"
ENDPOINT_FIELDS = ("provider", "base_url", "timeout_seconds", "api_key_header")
PROMPT = "Tell me about the relay race of 1912 in one sentence."


class RecordingListener:
    """A listener that stores the texts that it receives, one list per answer."""

    def __init__(self) -> None:
        self.answers: list[list[str]] = []

    def on_start(self) -> None:
        self.answers.append([])

    def on_text(self, text: str) -> None:
        self.answers[-1].append(text)

    @property
    def pieces(self) -> list[str]:
        """Of the only answer."""
        (pieces,) = self.answers
        return pieces


def pieces_and_answer(pieces: TextChunks[LlmAnswer]) -> tuple[list[str], LlmAnswer]:
    """The pieces of a streamed answer, and the answer."""
    received: list[str] = []
    while True:
        try:
            received.append(next(pieces))
        except StopIteration as end:
            return received, end.value


class Endpoint(ThreadingHTTPServer):
    """``script(handler)`` answers each POST and each GET; ``stopped`` lets a slow script end with its test."""

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
        """Ignored: some tests close the connection early."""


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

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers), b""))
        self.server.script(self)

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, *chunks: bytes, content_type: str = "text/event-stream") -> None:
        """Send the chunks one by one, and the end."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (*chunks, b""):
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")

    def trickle(self, start: bytes, more: bytes = b"x") -> None:
        """Send ``start``, then a little more every 20 ms for as long as the test lasts: no read ever times out."""
        self.close_connection = True
        self.wfile.write(start)
        while not self.server.stopped.wait(0.02):
            self.wfile.write(more)

    def log_message(self, *_args: object) -> None:
        pass
