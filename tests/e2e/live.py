"""Baton's messages as a WebSocket client hears them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from websockets.sync.client import ClientConnection

Message = dict[str, Any]

SECONDS_TO_HEAR = 60


class Listener:
    """One connection; ``heard`` is all that came over it, as it came."""

    def __init__(self, connection: ClientConnection) -> None:
        self.heard: list[Message] = []
        self._connection = connection

    def say(self, frame: str | bytes | dict[str, Any]) -> None:
        self._connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    def subscribe(self, run_id: int) -> None:
        self.say({"action": "subscribe", "runId": run_id})

    def on_text(self, seconds: float = SECONDS_TO_HEAR) -> Message:
        message: Message = json.loads(self._connection.recv(timeout=seconds))
        self.heard.append(message)
        return message

    def hear_until(self, is_last: Callable[[Message], object]) -> Message:
        """The first message to come that is the last one wanted."""
        while not is_last(message := self.on_text()):
            pass
        return message

    def ping(self) -> list[Message]:
        """What was still to be heard before the pong; the socket is open, or there would be none."""
        before = len(self.heard)
        self.say({"action": "ping"})
        self.hear_until(is_a("pong"))
        return self.heard[before:-1]

    def of_run(self, run_id: int) -> list[Message]:
        """What was heard of the run, each fact once, as a client is told to drop repeats by their id."""
        facts: dict[str, Message] = {}
        for message in self.heard:
            if _run_of(message) == run_id:
                facts.setdefault(message["id"], message)
        return list(facts.values())


def is_a(*types: str, run_id: int | None = None) -> Callable[[Message], bool]:
    """Whether a message is of one of the types, and of the run if one is named."""
    return lambda message: message["type"] in types and run_id in (None, _run_of(message))


def is_the_end_of(run_id: int) -> Callable[[Message], bool]:
    return is_a("workflow_completed", "workflow_failed", "workflow_cancelled", run_id=run_id)


def outline(messages: list[Message]) -> list[tuple[str, int | None]]:
    """What each message is, and of which position."""
    return [(message["type"], message["data"].get("position")) for message in without_parts(messages)]


def without_parts(messages: list[Message]) -> list[Message]:
    """All but the parts of growing answers, which come as time lets them, and are not told again."""
    return [message for message in messages if "delta" not in message["data"]]


def complete_outline(payloads: int) -> list[tuple[str, int | None]]:
    """What is heard of a run of so many payloads that completes at the first attempt."""
    each = [(kind, position) for position in range(payloads) for kind in ("execution_progress", "payload_completed")]
    return [("execution_progress", None), *each, ("workflow_completed", None)]


def _run_of(message: Message) -> int | None:
    """A pong and an error belong to no run."""
    run_id = message.get("data", {}).get("runId")
    return run_id if run_id is None else int(run_id)
