"""The events of the Messages API, accumulated into the message of an unstreamed reply.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. Unknown types of events and
deltas are ignored, as the API's versioning demands.
"""

from __future__ import annotations

from typing import Any

from baton.adapters.llm.formats.finish_reasons import replaces
from baton.adapters.llm.formats.response_parts import expect, type_of
from baton.domain.llm.calls import LlmCall

TEXTS = ("text", "text_delta")
DELTAS = {"thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "tool_use"}
"""The type of block that each type of delta belongs to."""


class Message:
    """An ``Accumulator``. Text blocks arrive one after the other, so their texts can be joined as they arrive."""

    answer_field = "content"

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
                return self._start(expect(event.get("message"), dict, "message", self._call))
            case "message":  # a gateway that sends the whole as one event
                return self._start(event)
            case "content_block_start":
                return self._add_part(expect(event.get("content_block"), dict, "content_block", self._call))
            case "content_block_delta":
                return self._add_part(expect(event.get("delta"), dict, "delta", self._call))
            case "message_delta":
                self._update(expect(event.get("delta"), dict, "delta", self._call))
                self._update_usage(event.get("usage"))
            case "message_stop":
                self.is_over = True
        return ""

    def _start(self, message: dict[str, Any]) -> str:
        self._update(message)
        self._update_usage(message.get("usage"))
        parts = message.get("content")
        return "".join(
            [self._add_part(part) for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        )

    def _update(self, fields: dict[str, Any]) -> None:
        """Of several stop reasons, ``replaces`` decides which counts."""
        if not replaces(fields.get("stop_reason"), self.reason):
            fields = {**fields, "stop_reason": None}
        self._message |= {name: value for name, value in fields.items() if value is not None}

    def _update_usage(self, usage: object) -> None:
        """Counts are cumulative: the last value of each counts."""
        if isinstance(usage, dict):
            self._usage |= {name: count for name, count in usage.items() if count is not None}

    def _add_part(self, part: dict[str, Any]) -> str:
        kind = type_of(part)
        if kind not in TEXTS:
            self._others |= {DELTAS.get(kind, kind): None}
            return ""
        self._texts.append(expect(part.get("text"), str, f"{kind}.text", self._call))
        return self._texts[-1]

    def body(self) -> object:
        text = [{"type": "text", "text": "".join(self._texts)}] if self._texts else []
        return {**self._message, "content": [{"type": kind} for kind in self._others] + text, "usage": self._usage}
