"""The WebSocket messages of a run, without duplicates."""

import json
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from local.problem import Problem

FINAL = {"workflow_completed", "workflow_failed", "workflow_cancelled"}
SECONDS_BETWEEN_MESSAGES = 900  # a payload may take as long


def messages(websocket_url: str, run_id: int) -> Iterator[dict[str, Any]]:
    """All messages of the run, from its start until its end."""
    with connect(websocket_url, proxy=None) as connection:
        connection.send(json.dumps({"action": "subscribe", "runId": run_id}))
        yield from until_the_end(connection)


def until_the_end(connection: ClientConnection) -> Iterator[dict[str, Any]]:
    seen = set()
    while True:
        message = receive(connection)
        if message["type"] == "error":
            raise Problem(f"The WebSocket API sent an error: {message['data']['message']}")
        if message["id"] not in seen:
            seen.add(message["id"])
            yield message
        if message["type"] in FINAL:
            return


def receive(connection: ClientConnection) -> dict[str, Any]:
    try:
        message: dict[str, Any] = json.loads(connection.recv(timeout=SECONDS_BETWEEN_MESSAGES))
    except TimeoutError as error:
        raise Problem(f"There was no message of the run for {SECONDS_BETWEEN_MESSAGES} s.") from error
    except ConnectionClosed as error:
        raise Problem(
            "The WebSocket was closed before the run had ended: check that the local stack is running."
        ) from error
    return message
