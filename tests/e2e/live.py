"""A WebSocket client that records the messages it receives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from websockets.sync.client import ClientConnection

Message = dict[str, Any]

SECONDS_TO_RECEIVE = 60


class Listener:
    """One connection; ``received`` contains all its messages, in order of arrival."""

    def __init__(self, connection: ClientConnection) -> None:
        self.received: list[Message] = []
        self._connection = connection

    def send(self, frame: str | bytes | dict[str, Any]) -> None:
        self._connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    def subscribe(self, run_id: int) -> None:
        self.send({"action": "subscribe", "runId": run_id})

    def receive(self, seconds: float = SECONDS_TO_RECEIVE) -> Message:
        message: Message = json.loads(self._connection.recv(timeout=seconds))
        self.received.append(message)
        return message

    def receive_until(self, is_last: Callable[[Message], object]) -> Message:
        """Receive messages until one matches, and return that one."""
        while not is_last(message := self.receive()):
            pass
        return message

    def ping(self) -> list[Message]:
        """The messages before the pong; the pong shows that the socket is open."""
        before = len(self.received)
        self.send({"action": "ping"})
        self.receive_until(is_a("pong"))
        return self.received[before:-1]

    def of_run(self, run_id: int) -> list[Message]:
        """The messages of the run, without repeats: a client deduplicates them by id."""
        messages: dict[str, Message] = {}
        for message in self.received:
            if _run_of(message) == run_id:
                messages.setdefault(message["id"], message)
        return list(messages.values())


def is_a(*types: str, run_id: int | None = None) -> Callable[[Message], bool]:
    """Whether a message has one of the types, and belongs to the run if one is given."""
    return lambda message: message["type"] in types and run_id in (None, _run_of(message))


def is_the_end_of(run_id: int) -> Callable[[Message], bool]:
    return is_a("workflow_completed", "workflow_failed", "workflow_cancelled", run_id=run_id)


def outline(messages: list[Message]) -> list[tuple[str, int | None]]:
    """The type and position of each message."""
    return [(message["type"], message["data"].get("position")) for message in without_parts(messages)]


def without_parts(messages: list[Message]) -> list[Message]:
    """All messages except parts of answers: their number depends on time, and they are not repeated."""
    return [message for message in messages if "delta" not in message["data"]]


def complete_outline(payloads: int) -> list[tuple[str, int | None]]:
    """The outline of a run of so many payloads that completes at the first attempt."""
    each = [(kind, position) for position in range(payloads) for kind in ("execution_progress", "payload_completed")]
    return [("execution_progress", None), *each, ("workflow_completed", None)]


def _run_of(message: Message) -> int | None:
    """``None`` for a pong and an error."""
    run_id = message.get("data", {}).get("runId")
    return run_id if run_id is None else int(run_id)
