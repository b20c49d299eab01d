"""The chunks of ``/chat/completions``, put together into the completion that would have come unstreamed.

Source: https://platform.openai.com/docs/api-reference/chat-streaming. What else is out there: usage in a chunk of its
own, without choices, or in the last one with text, or in each; Azure's chunks with filter results and no ``delta``;
``content`` as parts (Mistral); a choice that holds an error (OpenRouter).
"""

from __future__ import annotations

from typing import Any

from baton.adapters.llm.error_bodies import is_error
from baton.adapters.llm.finish_reasons import ERROR, finish_reason
from baton.adapters.llm.reading import TEXT_PARTS, expect, invalid, joined_text, type_of
from baton.domain.llm import LlmCall

CALLS = ("tool_calls", "function_call")
REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_content", "thoughts")
"""Names under which servers put what a model thought."""


class Completion:
    """Grows chunk by chunk. Of several choices only the first counts, as in an answer that comes whole."""

    def __init__(self, call: LlmCall) -> None:
        self._call = call
        self._known: dict[str, Any] = {}
        self._choice: dict[str, Any] | None = None
        self._beside: dict[str, Any] = {}
        self._texts: list[str] = []
        self._others: list[dict[str, str]] = []
        self._has_deltas = False

    @property
    def reason(self) -> object:
        return (self._choice or {}).get("finish_reason")

    @property
    def is_over(self) -> bool:
        return is_error(self._choice)

    def take(self, value: object) -> str:
        chunk = expect(value, dict, "event", self._call)
        self._known |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
        choices = expect(chunk.get("choices") or [], list, "choices", self._call)
        return "".join([self._add(choice) for choice in choices if _is_first(choice)])

    def _add(self, value: object) -> str:
        choice = expect(value, dict, "choices[0]", self._call)
        self._choice = {**(self._choice or {}), **self._end(choice)}
        delta = self._delta(choice)
        self._beside |= {name: delta[name] for name in ("refusal", *CALLS, *REASONING) if is_there(delta.get(name))}
        content = delta.get("content")
        if isinstance(content, list):
            self._others += [{"type": type_of(part)} for part in content if type_of(part) not in TEXT_PARTS]
            content = joined_text(content)
        if content is None:
            return ""
        self._texts.append(expect(content, str, "choices[0].delta.content", self._call))
        return self._texts[-1]

    def _end(self, choice: dict[str, Any]) -> dict[str, Any]:
        """What it says of the end. A failure after the model had come to its end is none of the answer's."""
        said = {"finish_reason": choice.get("finish_reason")} if finish_reason(choice.get("finish_reason")) else {}
        if finish_reason(self.reason) in (None, ERROR):
            return said | ({"error": choice["error"]} if choice.get("error") is not None else {})
        return {} if finish_reason(said.get("finish_reason")) == ERROR else said

    def _delta(self, choice: dict[str, Any]) -> dict[str, Any]:
        """What the chunk adds. Some servers have a ``message`` there; after deltas it repeats what they said."""
        name = "delta" if choice.get("delta") is not None or self._has_deltas else "message"
        self._has_deltas = name == "delta"
        return expect(choice.get(name) or {}, dict, f"choices[0].{name}", self._call)

    def body(self) -> object:
        if self._choice is None:
            raise invalid(self._call, "with no choices")
        text = "".join(self._texts) if self._texts else None
        content = [*self._others, {"type": "text", "text": text or ""}] if self._others else text
        message = {**self._beside, "content": content}
        return {**self._known, "choices": [{**self._choice, "message": message}]}


def is_there(value: object) -> bool:
    """Whether a field holds more than nothing and white space."""
    return bool(value.strip() if isinstance(value, str) else value)


def has_reasoning(content: list[Any]) -> bool:
    """Whether parts of the content are what the model thought (Mistral)."""
    return any(type_of(part) in ("thinking", "reasoning", "redacted_thinking") for part in content)


def _is_first(choice: object) -> bool:
    """A choice without a number is the only one; what is no choice at all is not to be overlooked."""
    return not isinstance(choice, dict) or choice.get("index") in (None, 0)
