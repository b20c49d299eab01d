"""The chunks of ``/chat/completions``, accumulated into the completion of an unstreamed reply.

Source: https://platform.openai.com/docs/api-reference/chat-streaming. Variants: usage in a separate chunk
without choices, in the last chunk with text, or in each; Azure's chunks with filter results and no ``delta``;
``content`` as parts (Mistral); a choice that contains an error (OpenRouter).
"""

from __future__ import annotations

from typing import Any

from baton.adapters.llm.formats.error_bodies import is_error
from baton.adapters.llm.formats.finish_reasons import ERROR, finish_reason, replaces
from baton.adapters.llm.formats.response_parts import TEXT_PARTS, expect, invalid, is_text, joined_text, type_of
from baton.domain.llm.calls import LlmCall

TOOL_CALL_FIELDS = ("tool_calls", "function_call")
REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_content", "thoughts")
"""Names of fields with a model's reasoning."""


class Completion:
    """An ``Accumulator``. Of several choices only the first counts, as in an unstreamed reply."""

    answer_field = "choices"

    def __init__(self, call: LlmCall) -> None:
        self._call = call
        self._known: dict[str, Any] = {}
        self._choice: dict[str, Any] | None = None
        self._extras: dict[str, Any] = {}
        self._texts: list[str] = []
        self._others: list[dict[str, str]] = []
        self._has_deltas = False
        self._has_message = False

    @property
    def reason(self) -> object:
        return (self._choice or {}).get("finish_reason")

    @property
    def is_over(self) -> bool:
        return is_error(self._choice)

    def add(self, value: object) -> str:
        chunk = expect(value, dict, "event", self._call)
        self._known |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
        choices = expect(chunk.get("choices") or [], list, "choices", self._call)
        return "".join([self._add(choice) for choice in choices if is_first(choice)])

    def _add(self, value: object) -> str:
        choice = expect(value, dict, "choices[0]", self._call)
        delta = self._delta(choice)
        self._extras |= {
            name: delta[name]
            for name in ("refusal", *TOOL_CALL_FIELDS, *REASONING_FIELDS)
            if has_content(delta.get(name))
        }
        content = delta.get("content")
        if isinstance(content, list):
            self._others += [{"type": _kind_of(part)} for part in content if not is_text(part)]
            content = joined_text(content)
        text = "" if content is None else expect(content, str, "choices[0].delta.content", self._call)
        self._texts += [] if content is None else [text]
        self._choice = {**(self._choice or {}), **self._finish(choice)}
        return text

    def _finish(self, choice: dict[str, Any]) -> dict[str, Any]:
        """The finish reason or error in a chunk. An error after the finish reason is ignored."""
        reason = choice.get("finish_reason")
        finish = {"finish_reason": reason} if replaces(reason, self.reason) else {}
        has_failed = choice.get("error") is not None and finish_reason(self.reason) in (None, ERROR)
        return finish | ({"error": choice["error"]} if has_failed else {})

    def _delta(self, choice: dict[str, Any]) -> dict[str, Any]:
        """The chunk's delta. Some servers send a ``message`` instead; after deltas it repeats them and is ignored."""
        self._has_deltas = self._has_deltas or choice.get("delta") is not None
        if self._has_deltas:
            return expect(choice.get("delta") or {}, dict, "choices[0].delta", self._call)
        message = message_in(choice)
        self._has_message = self._has_message or message is not None
        return expect(message or {}, dict, "choices[0].message", self._call)

    def body(self) -> object:
        if self._choice is None:
            raise invalid(self._call, "with no choices")
        if not (self._has_deltas or self._has_message or is_error(self._choice)):
            return {**self._known, "choices": [self._choice]}
        text = "".join(self._texts) if self._texts else None
        content = [*self._others, {"type": "text", "text": text or ""}] if self._others else text
        message = {**self._extras, "content": content}
        return {**self._known, "choices": [{**self._choice, "message": message}]}


def message_in(choice: dict[str, Any]) -> object:
    """The ``message`` of an unstreamed choice, also made from the ``text`` of older APIs."""
    if choice.get("message") is None and isinstance(choice.get("text"), str):
        return {"content": choice["text"]}
    return choice.get("message")


def _kind_of(part: object) -> str:
    """The type of a part without valid text; ``other`` if its type is one of text."""
    return "other" if type_of(part) in TEXT_PARTS else type_of(part)


def is_first(choice: object) -> bool:
    """A choice without an index is the only one. An invalid choice counts, so that it isn't ignored."""
    return not isinstance(choice, dict) or choice.get("index") in (None, 0, "0")


def has_content(value: object) -> bool:
    """Whether a field is neither empty nor white space."""
    return bool(value.strip() if isinstance(value, str) else value)


def has_reasoning(content: list[Any]) -> bool:
    """Whether parts of the content are reasoning (Mistral)."""
    return any(type_of(part) in ("thinking", "reasoning", "redacted_thinking") for part in content)
