"""The events of the Messages API, put together into the message that would have come unstreamed.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. Types of events and deltas that aren't known
here are passed over, as the API's versioning demands.
"""

from __future__ import annotations

from typing import Any

from baton.adapters.llm.reading import expect
from baton.domain.llm import LlmCall


class Message:
    """Grows event by event. Text blocks are told one after the other, so what they say can be joined as it comes."""

    def __init__(self, call: LlmCall) -> None:
        self._call = call
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._texts: list[str] = []
        self.is_over = False

    @property
    def is_whole(self) -> bool:
        return self.is_over or self._message.get("stop_reason") is not None

    def take(self, value: object) -> str:
        event = expect(value, dict, "event", self._call)
        match event.get("type"):
            case "message_start":
                self._begin(expect(event.get("message"), dict, "message", self._call))
            case "content_block_start":
                return self._text(expect(event.get("content_block"), dict, "content_block", self._call), "text")
            case "content_block_delta":
                return self._text(expect(event.get("delta"), dict, "delta", self._call), "text_delta")
            case "message_delta":
                delta = expect(event.get("delta"), dict, "delta", self._call)
                self._message |= {name: known for name, known in delta.items() if known is not None}
                self._count(event.get("usage"))
            case "message_stop":
                self.is_over = True
        return ""

    def _begin(self, message: dict[str, Any]) -> None:
        self._message |= message
        self._count(message.get("usage"))

    def _count(self, usage: object) -> None:
        """Counts are cumulative: the last one of each name holds."""
        if isinstance(usage, dict):
            self._usage |= {name: count for name, count in usage.items() if count is not None}

    def _text(self, part: dict[str, Any], kind: str) -> str:
        if part.get("type") != kind:
            return ""
        self._texts.append(expect(part.get("text"), str, f"{kind}.text", self._call))
        return self._texts[-1]

    def body(self) -> object:
        content = [{"type": "text", "text": "".join(self._texts)}] if self._texts else []
        return {**self._message, "content": content, "usage": self._usage}
