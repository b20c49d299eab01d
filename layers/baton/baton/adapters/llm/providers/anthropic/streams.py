"""The events of the Messages API, put together into the message that would have come unstreamed.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. Types of events and deltas that aren't known
here are passed over, as the API's versioning demands.
"""

from __future__ import annotations

from typing import Any

from baton.adapters.llm.formats.finish_reasons import replaces
from baton.adapters.llm.formats.response_parts import expect, type_of
from baton.domain.llm.calls import LlmCall

TEXTS = ("text", "text_delta")
DELTAS = {"thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "tool_use"}
"""The blocks that deltas of these types belong to."""


class Message:
    """Grows event by event. Text blocks are told one after the other, so what they say can be joined as it comes."""

    def __init__(self, call: LlmCall) -> None:
        self._call = call
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._texts: list[str] = []
        self._others: dict[str, None] = {}
        self.is_over = False

    @property
    def reason(self) -> object:
        return self._message.get("stop_reason")

    def add(self, value: object) -> str:
        event = expect(value, dict, "event", self._call)
        match event.get("type"):
            case "message_start":
                return self._begin(expect(event.get("message"), dict, "message", self._call))
            case "message":  # a gateway that sends the whole as one event
                return self._begin(event)
            case "content_block_start":
                return self._part(expect(event.get("content_block"), dict, "content_block", self._call))
            case "content_block_delta":
                return self._part(expect(event.get("delta"), dict, "delta", self._call))
            case "message_delta":
                self._know(expect(event.get("delta"), dict, "delta", self._call))
                self._count(event.get("usage"))
            case "message_stop":
                self.is_over = True
        return ""

    def _begin(self, message: dict[str, Any]) -> str:
        self._know(message)
        self._count(message.get("usage"))
        parts = message.get("content")
        return "".join(
            [self._part(part) for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        )

    def _know(self, told: dict[str, Any]) -> None:
        """Of several stop reasons the one that says most counts."""
        if not replaces(told.get("stop_reason"), self.reason):
            told = {**told, "stop_reason": None}
        self._message |= {name: known for name, known in told.items() if known is not None}

    def _count(self, usage: object) -> None:
        """Counts are cumulative: the last one of each name holds."""
        if isinstance(usage, dict):
            self._usage |= {name: count for name, count in usage.items() if count is not None}

    def _part(self, part: dict[str, Any]) -> str:
        kind = type_of(part)
        if kind not in TEXTS:
            self._others |= {DELTAS.get(kind, kind): None}
            return ""
        self._texts.append(expect(part.get("text"), str, f"{kind}.text", self._call))
        return self._texts[-1]

    def body(self) -> object:
        text = [{"type": "text", "text": "".join(self._texts)}] if self._texts else []
        return {**self._message, "content": [{"type": kind} for kind in self._others] + text, "usage": self._usage}
