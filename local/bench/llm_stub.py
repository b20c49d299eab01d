"""An OpenAI-compatible server that answers after 100 ms, as a process of its own.

Each response is written at once, with TCP_NODELAY. In two writes, the second would wait for the delayed acknowledgement
of the first: 40 ms on each kept connection.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from local.deployment import ROOT
from local.network import LOOPBACK

SECONDS = 0.1
MODEL = "stub"
USAGE = {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}


@contextmanager
def llm_stub() -> Iterator[str]:
    """Its base URL inside the block."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C ends it through the end of its input
    ) as process:
        assert process.stdin  # noqa: S101 - it is a pipe
        assert process.stdout  # noqa: S101
        yield process.stdout.readline().strip()
        process.stdin.close()


def main() -> None:
    """Print the base URL and serve until the end of the input, which is also the end of the program that started it."""
    with Server((LOOPBACK, 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://{LOOPBACK}:{server.server_port}/v1", flush=True)  # noqa: T201 - for the program that started it
        sys.stdin.read()
        server.shutdown()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Quiet: the clients are functions, which end without closing their connections."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections
    disable_nagle_algorithm = True
    wbufsize = -1  # buffered: headers and body are one write

    def do_POST(self) -> None:
        received = time.monotonic()
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(max(0, SECONDS - (time.monotonic() - received)))
        is_streamed = bool(request.get("stream"))
        body = response_body(answer(time.time()), is_streamed=is_streamed)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream" if is_streamed else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def answer(now: float) -> str:
    """An answer contains the time at which it is written."""
    return f"Written at {now:.6f}"


def written_at(content: str) -> float:
    """The time in an answer."""
    return float(content.rpartition(" ")[2])


def response_body(text: str, *, is_streamed: bool) -> bytes:
    if not is_streamed:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return json.dumps({"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": USAGE}).encode()
    events = (chunk({"content": text}), chunk({}, "stop"), {"choices": [], "usage": USAGE})
    return b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events) + b"data: [DONE]\n\n"


def chunk(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}


if __name__ == "__main__":
    main()
