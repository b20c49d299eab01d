"""A server in place of API Gateway's @connections API, on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from local.network import LOOPBACK

DROPPED = 0
"""Instead of a status: the server closes the connection without a response."""


@dataclass(frozen=True)
class Received:
    """A request: its TCP connection is named by the client's port."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    port: int


@dataclass
class CallbackServer:
    """``replies`` are the next statuses, with the error's name if there is one; without them it replies 200."""

    url: str = ""
    replies: list[int | tuple[int, str]] = field(default_factory=list)
    delay: float = 0.0
    received: list[Received] = field(default_factory=list)

    def next_reply(self) -> tuple[int, str]:
        reply = self.replies.pop(0) if self.replies else 200
        return reply if isinstance(reply, tuple) else (reply, "")


@contextmanager
def callback_server() -> Iterator[CallbackServer]:
    """A server that serves inside the block."""
    made = CallbackServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_DELETE(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.received.append(
                Received(self.command, self.path, dict(self.headers.items()), body, self.client_address[1])
            )
            status, error = made.next_reply()
            time.sleep(made.delay)
            if status == DROPPED:
                self.close_connection = True
                return
            self.send_response(status)
            if error:
                self.send_header("x-amzn-ErrorType", error)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.daemon_threads = True
        made.url = f"http://{LOOPBACK}:{server.server_port}/live"
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
