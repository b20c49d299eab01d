"""ConverseStream's events, parsed from bytes and accumulated into the reply that Converse would send.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html and, for the frames,
https://smithy.io/2.0/aws/amazon-eventstream.html. botocore parses the frames and verifies their checksums.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from baton.adapters.llm.formats.finish_reasons import finish_reason, replaces
from baton.adapters.llm.formats.response_parts import expect
from baton.adapters.llm.http.server_sent_events import ERROR, Event
from baton.domain.errors import LlmUnreachable
from baton.domain.llm.calls import LlmCall

if TYPE_CHECKING:
    from botocore.eventstream import EventStreamMessage

FAILURES = ("exception", "error")


def is_stream(prefix: bytes) -> bool | None:
    """A frame begins with its length, which is under 24 MB; no other body begins with so small a byte."""
    return prefix[0] <= 1 if prefix else None


def events(chunks: Iterable[bytes], call: LlmCall) -> Iterator[Event]:
    """Each event as soon as its frame is complete, as JSON with its type. A damaged frame is a broken connection:
    raises ``LlmUnreachable``."""
    from botocore.eventstream import EventStreamBuffer, ParserError  # noqa: PLC0415 - cold start: others have no frames

    buffer = EventStreamBuffer()
    try:
        for chunk in chunks:
            buffer.add_data(chunk)
            for message in buffer:
                yield _event(message)
    except (ParserError, struct.error, LookupError, ValueError):
        name = call.endpoint.instance_name
        raise LlmUnreachable(f"LLM instance {name!r} broke off its answer: a part of it arrived damaged.") from None


def _event(message: EventStreamMessage) -> Event:
    headers = cast("Mapping[str, Any]", message.headers)  # botocore-stubs call them a number
    text = bytes(message.payload).decode("utf-8", "replace")
    if headers.get(":message-type") in FAILURES:
        return Event(json.dumps({"error": _error(headers, text)}), ERROR)
    payload = _object(text)
    return Event(text if payload is None else json.dumps({**payload, "type": str(headers.get(":event-type"))}))


def _error(headers: Mapping[str, Any], text: str) -> dict[str, Any]:
    payload = _object(text) or {}
    code = headers.get(":exception-type") or headers.get(":error-code")
    return {"code": str(code), "message": payload.get("message") or headers.get(":error-message") or str(code)}


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class ConverseMessage:
    """An ``Accumulator``. Unknown types of events are ignored."""

    answer_field = "output"

    def __init__(self, call: LlmCall) -> None:
        self._call = call
        self._texts: list[str] = []
        self._others: dict[str, None] = {}
        self._usage: object = None
        self.reason: object = None
        self.is_over = False

    def add(self, value: object) -> str:
        event = expect(value, dict, "event", self._call)
        match event.get("type"):
            case "contentBlockStart":
                self._add_other_block(event.get("start"))
            case "contentBlockDelta":
                return self._delta(expect(event.get("delta"), dict, "delta", self._call))
            case "messageStop" if replaces(event.get("stopReason"), self.reason):
                self.reason = event.get("stopReason")
            case "metadata":
                self._usage = event.get("usage")
                self.is_over = finish_reason(self.reason) is not None
        return ""

    def _delta(self, delta: dict[str, Any]) -> str:
        if "text" not in delta:
            self._add_other_block(delta)
            return ""
        self._texts.append(expect(delta["text"], str, "delta.text", self._call))
        return self._texts[-1]

    def _add_other_block(self, part: object) -> None:
        """Record the name of a block that is not text."""
        self._others |= dict.fromkeys(part if isinstance(part, dict) else ())

    def body(self) -> object:
        text = [{"text": "".join(self._texts)}] if self._texts else []
        content: list[dict[str, Any]] = [{name: {}} for name in self._others]
        return {
            "output": {"message": {"role": "assistant", "content": content + text}},
            "stopReason": self.reason,
            "usage": self._usage,
        }
