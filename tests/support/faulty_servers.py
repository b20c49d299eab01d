"""A server on this machine that sends the bytes of a script, in pieces of any size."""

from __future__ import annotations

import json
import random
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

LABELS = (
    *(b"", b"Content-Type: text/event-stream\r\n", b"Content-Type: application/json\r\n", b"Content-Type: \r\n"),
    *(b"Content-Type: text/plain; charset=utf-8\r\n", b"Content-Type: text/html\r\n", b"Content-Type: odd\r\n"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """``breaks`` is whether the connection ends before the body does, as the framing shows."""

    body: bytes
    status: bytes = b"200 OK"
    before: bytes = b""
    headers: bytes = b""
    breaks: bool = False


@dataclass(slots=True)
class Script:
    """``replies`` by path; the last of a path is repeated. ``calls`` counts requests, ``bodies`` stores them."""

    replies: dict[str, list[Reply]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)


def in_pieces(body: bytes, dice: random.Random) -> list[bytes]:
    """Cut at up to twelve random places, without empty pieces."""
    places = sorted({0, len(body), *(dice.randrange(len(body) + 1) for _ in range(dice.randrange(12)))})
    return [body[start:end] for start, end in pairwise(places)]


def on_the_wire(reply: Reply, dice: random.Random) -> list[bytes]:
    """The complete HTTP response, with a random framing and a random content type."""
    framing = dice.choice(["chunked", "length"] if reply.breaks else ["chunked", "length", "close"])
    head = b"HTTP/1.1 " + reply.status + b"\r\n" + dice.choice(LABELS) + reply.headers + b"Connection: close\r\n"
    pieces = in_pieces(reply.body, dice)
    if framing == "chunked":
        end = b"" if reply.breaks else b"0\r\n\r\n"
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
        return [reply.before, head + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, end]
    if framing == "length":
        length = len(reply.body) + (1_000 if reply.breaks else 0)
        return [reply.before, head + b"Content-Length: %d\r\n\r\n" % length, *pieces]
    return [reply.before, head + b"\r\n", *pieces]


class _Handler(socketserver.StreamRequestHandler):
    timeout = 5
    disable_nagle_algorithm = True

    def handle(self) -> None:
        path = self.rfile.readline().decode().split(" ")[1].split("/")[1]
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        script = self.server.script  # type: ignore[attr-defined]  # of the one server below
        script.bodies.setdefault(path, []).append(json.loads(self.rfile.read(length)))
        replies = script.replies[path]
        reply = replies[min(script.calls[path], len(replies) - 1)]
        script.calls[path] += 1
        with suppress(ConnectionError):
            for piece in on_the_wire(reply, random.Random(path)):  # noqa: S311 - the same cuts each time
                self.wfile.write(piece)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    script: Script


@contextmanager
def serving(script: Script) -> Iterator[str]:
    """The server's origin, inside the block."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.script = script
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
