"""The WebSocket messages of a run, without duplicates, over as many connections as necessary.

API Gateway closes a connection after 10 minutes without a frame, and each connection after 2 hours:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
"""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from local.problem import Problem

FINAL = {"workflow_completed", "workflow_failed", "workflow_cancelled"}
SECONDS_BETWEEN_PINGS = 300
MAX_PINGS_BETWEEN_MESSAGES = 3  # a payload may take 15 minutes
MAX_FAILURES = 6
MAX_PAUSE_SECONDS = 30


def messages(websocket_url: str, run_id: int) -> Iterator[dict[str, Any]]:
    """All messages of the run, from its start until its end; a connection that is lost is opened again."""
    seen: set[str] = set()
    failures = 0
    while failures < MAX_FAILURES:
        try:
            for message in _messages_of_one_connection(websocket_url, run_id):
                failures = 0
                if message["id"] not in seen:
                    seen.add(message["id"])
                    yield message
                if message["type"] in FINAL:
                    return
        except (OSError, WebSocketException):
            failures += 1
            time.sleep(random.uniform(0, min(MAX_PAUSE_SECONDS, 2**failures)))  # noqa: S311 - not a secret
    raise Problem("The WebSocket was closed before the run had ended: check that the local stack is running.")


def _messages_of_one_connection(websocket_url: str, run_id: int) -> Iterator[dict[str, Any]]:
    """The past messages of the run, then the new ones."""
    with connect(websocket_url, proxy=None) as connection:
        connection.send(json.dumps({"action": "subscribe", "runId": run_id}))
        pings = 0
        while True:
            message = _receive(connection)
            if message is None:
                pings += 1
                _ping(connection, pings)
            elif message["type"] == "error":
                raise Problem(f"The WebSocket API sent an error: {message['data']['message']}")
            elif message["type"] != "pong":
                pings = 0
                yield message


def _receive(connection: ClientConnection) -> dict[str, Any] | None:
    """The next message; ``None`` if a ping is due."""
    try:
        message: dict[str, Any] = json.loads(connection.recv(timeout=SECONDS_BETWEEN_PINGS))
    except TimeoutError:
        return None
    return message


def _ping(connection: ClientConnection, pings: int) -> None:
    if pings > MAX_PINGS_BETWEEN_MESSAGES:
        raise Problem(f"There was no message of the run for {pings * SECONDS_BETWEEN_PINGS} s.")
    connection.send(json.dumps({"action": "ping"}))
