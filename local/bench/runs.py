"""Runs of the stack, as a client starts and follows them."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from websockets.sync.client import ClientConnection, connect

from local.bench.target import FINAL, Target
from local.example import Api
from local.problem import Problem

SECONDS_WITHOUT_MESSAGES = 120


@dataclass(frozen=True)
class Received:
    """A message, and the wall-clock time of its arrival."""

    message: dict[str, Any]
    at: float


@dataclass
class Subscriber:
    """A client that receives the messages of all runs."""

    connection: ClientConnection

    def follow(self, runs: int = 1) -> list[Received]:
        """All messages until so many runs have ended.

        :raises Problem: if a run does not complete, or nothing arrives for long.
        """
        received: list[Received] = []
        while runs:
            received.append(self._receive())
            message = received[-1].message
            if message["type"] in FINAL:
                require_completed(message)
                runs -= 1
        return received

    def _receive(self) -> Received:
        try:
            frame = self.connection.recv(timeout=SECONDS_WITHOUT_MESSAGES)
        except TimeoutError as error:
            raise Problem(f"There was no message of a run for {SECONDS_WITHOUT_MESSAGES} s.") from error
        now = time.time()
        return Received(json.loads(frame), now)


def require_completed(message: dict[str, Any]) -> None:
    if message["type"] != "workflow_completed":
        raise Problem(f"A run of the measurement did not complete: {message['data']}")


@contextmanager
def subscriber(target: Target) -> Iterator[Subscriber]:
    with connect(target.addresses.websocket_url, proxy=None, compression=None) as connection:
        yield Subscriber(connection)


def start(api: Api, workflow_id: int) -> int:
    """Start a run; returns its id."""
    return int(api.call("POST", f"/api/execute/workflow/{workflow_id}")["runId"])
