"""A run as a subscriber sees it: its messages over the WebSocket, each once."""

import json
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from local.problem import Problem

FINAL = {"workflow_completed", "workflow_failed", "workflow_cancelled"}
SECONDS_BETWEEN_MESSAGES = 900  # a payload may take as long


def messages(websocket_url: str, run_id: int) -> Iterator[dict[str, Any]]:
    """All that has happened in the run and all that happens, until it ends."""
    with connect(websocket_url, proxy=None) as connection:
        connection.send(json.dumps({"action": "subscribe", "runId": run_id}))
        yield from until_the_end(connection)


def until_the_end(connection: ClientConnection) -> Iterator[dict[str, Any]]:
    seen = set()
    while True:
        message = receive(connection)
        if message["type"] == "error":
            raise Problem(f"The WebSocket answered: {message['data']['message']}")
        if message["id"] not in seen:
            seen.add(message["id"])
            yield message
        if message["type"] in FINAL:
            return


def receive(connection: ClientConnection) -> dict[str, Any]:
    try:
        message: dict[str, Any] = json.loads(connection.recv(timeout=SECONDS_BETWEEN_MESSAGES))
    except TimeoutError as error:
        raise Problem(f"Nothing was heard of the run for {SECONDS_BETWEEN_MESSAGES} s.") from error
    except ConnectionClosed as error:
        raise Problem("The WebSocket was closed before the run had ended: is the local stack still up?") from error
    return message
