"""A WebSocket server on this machine that sends a run's messages to each subscriber, and drops some connections."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from local.network import LOOPBACK

RUN_ID = 7


def a_message(number: int, kind: str = "execution_progress") -> dict[str, Any]:
    data = {"runId": RUN_ID, "metadata": {"attempt": 1}}
    return {"type": kind, "id": f"message {number}", "timestamp": f"{number}", "data": data}


MESSAGES = [*(a_message(number) for number in range(5)), a_message(5, "workflow_completed")]


@dataclass
class DroppingServer:
    """``drops``: after how many messages each connection is closed, in order of the connections; others stay open.

    ``pings_before_end``: how many pings it awaits before it sends the last message. ``received``: the frames of each
    connection.
    """

    url: str = ""
    drops: list[int] = field(default_factory=list)
    pings_before_end: int = 0
    received: list[list[Any]] = field(default_factory=list)

    def serve(self, connection: ServerConnection) -> None:
        frames: list[Any] = []
        self.received.append(frames)
        drop_after = self.drops.pop(0) if self.drops else None
        frames.append(json.loads(connection.recv()))
        _send(connection, MESSAGES[:-1][:drop_after])
        if drop_after is not None:
            connection.socket.shutdown(socket.SHUT_RDWR)
            return
        for _ in range(self.pings_before_end):
            frames.append(json.loads(connection.recv()))
            _send(connection, [{"type": "pong"}])
        _send(connection, MESSAGES[-1:])
        frames.extend(json.loads(frame) for frame in connection)


def _send(connection: ServerConnection, messages: Sequence[dict[str, Any]]) -> None:
    for message in messages:
        connection.send(json.dumps(message))


@contextmanager
def dropping_server() -> Iterator[DroppingServer]:
    """A server that serves inside the block."""
    made = DroppingServer()

    def handler(connection: ServerConnection) -> None:
        try:
            made.serve(connection)
        except ConnectionClosed:
            return

    with serve(handler, LOOPBACK, 0) as server:
        made.url = f"ws://{LOOPBACK}:{server.socket.getsockname()[1]}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
