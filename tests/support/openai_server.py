"""A server with OpenAI's ``/v1/chat/completions``, complete or streamed, on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from local.network import LOOPBACK

ANSWER = "A baton is passed, never thrown."
USAGE = {"prompt_tokens": 1203, "completion_tokens": 417, "total_tokens": 1620}
MODEL = "served-model"
RETRY_AFTER = 10


@dataclass(frozen=True)
class Call:
    """A request to the server, and the status of its answer."""

    path: str
    authorization: str | None
    body: Any
    status: HTTPStatus
    at: float = field(default_factory=time.monotonic)

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][-1]["content"])

    @property
    def system(self) -> str | None:
        first = self.body["messages"][0]
        return str(first["content"]) if first["role"] == "system" else None


@dataclass
class Provider:
    """Its calls so far, and its response to the next: it may reject the key, throttle all calls until enough different
    prompts have arrived, or throttle calls over its limit.

    ``crowd`` is that number of prompts. The limit applies to any 60 seconds.
    ``text_for`` returns the answer to a prompt.
    """

    base_url: str = ""
    text_for: Callable[[str], str] = lambda _prompt: ANSWER
    accepts: bool = True
    crowd: int = 0
    requests_per_minute: int | None = None
    calls: list[Call] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def accept_call(self, path: str, authorization: str | None, body: Any) -> Call:
        with self.lock:
            call = Call(path, authorization, body, HTTPStatus.OK)
            if not path.startswith("/v1/"):
                call = replace(call, status=HTTPStatus.NOT_FOUND)
            elif not self.accepts:
                call = replace(call, status=HTTPStatus.UNAUTHORIZED)
            elif self._is_full() or len({call.prompt, *(earlier.prompt for earlier in self.calls)}) < self.crowd:
                call = replace(call, status=HTTPStatus.TOO_MANY_REQUESTS)
            self.calls.append(call)
            return call

    def _is_full(self) -> bool:
        if self.requests_per_minute is None:
            return False
        since = time.monotonic() - 60
        accepted = [call for call in self.calls if call.at > since and call.status == HTTPStatus.OK]
        return len(accepted) >= self.requests_per_minute


def answer(call: Call, text: str) -> dict[str, Any]:
    """The error for a wrong key contains the key, as with careless providers."""
    match call.status:
        case HTTPStatus.UNAUTHORIZED:
            return {"error": {"message": f"Incorrect API key provided: {call.authorization}"}}
        case HTTPStatus.TOO_MANY_REQUESTS:
            return {"error": {"message": "Come back later."}}
        case HTTPStatus.NOT_FOUND:
            return {"detail": "Not Found"}
        case _:
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return {"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": USAGE}


def chunks(text: str) -> Iterator[bytes]:
    """The same answer as a stream, in pieces."""
    words = [{"index": 0, "delta": {"content": word}, "finish_reason": None} for word in text.partition(" ")]
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events = [*({"model": MODEL, "choices": [choice]} for choice in (*words, last)), {"choices": [], "usage": USAGE}]
    yield from (f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode() for chunk in events)
    yield b"data: [DONE]\n\n"


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider that serves inside the block."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            call = provider.accept_call(self.path, self.headers.get("Authorization"), sent)
            streamed = call.status == HTTPStatus.OK and sent.get("stream")
            content = provider.text_for(call.prompt)
            text = (
                b"".join(chunks(content))
                if streamed
                else json.dumps(answer(call, content), ensure_ascii=False).encode()
            )
            self.send_response(call.status)
            self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
            self.send_header("Content-Length", str(len(text)))
            if call.status == HTTPStatus.TOO_MANY_REQUESTS:
                self.send_header("Retry-After", str(RETRY_AFTER))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        provider.base_url = f"http://{LOOPBACK}:{server.server_port}/v1"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
