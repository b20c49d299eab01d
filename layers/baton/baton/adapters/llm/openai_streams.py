"""The chunks of ``/chat/completions``, put together into the completion that would have come unstreamed.

Source: https://platform.openai.com/docs/api-reference/chat-streaming. What else is out there: usage in a chunk of its
own, without choices, or in the last one with text, or in each; Azure's chunks with filter results and no ``delta``;
``content`` as parts (Mistral); a choice that holds an error (OpenRouter).
"""

from __future__ import annotations

from typing import Any

from baton.adapters.llm.reading import expect, invalid, is_error, joined_text
from baton.domain.llm import LlmCall

CALLS = ("tool_calls", "function_call")
"""Where these ended a turn, an empty text means that there was none: unstreamed it is null."""


class Completion:
    """Grows chunk by chunk. Of several choices only the first counts, as in an answer that comes whole."""

    def __init__(self, call: LlmCall) -> None:
        self._call = call
        self._known: dict[str, Any] = {}
        self._choice: dict[str, Any] | None = None
        self._refusal: object = None
        self._texts: list[str] = []

    @property
    def is_whole(self) -> bool:
        return self._choice is not None and self._choice.get("finish_reason") is not None

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
        said = {name: choice[name] for name in ("finish_reason", "error") if choice.get(name) is not None}
        self._choice = {**(self._choice or {}), **said}
        delta = expect(choice.get("delta") or {}, dict, "choices[0].delta", self._call)
        self._refusal = self._refusal or delta.get("refusal")
        content = delta.get("content")
        if isinstance(content, list):
            content = joined_text(content)
        if content is None:
            return ""
        self._texts.append(expect(content, str, "choices[0].delta.content", self._call))
        return self._texts[-1]

    def body(self) -> object:
        if self._choice is None:
            raise invalid(self._call, "with no choices")
        text = "".join(self._texts) if self._texts else None
        if not text and self._choice.get("finish_reason") in CALLS:
            text = None
        message = {"content": text, "refusal": self._refusal}
        return {**self._known, "choices": [{**self._choice, "message": message}]}


def _is_first(choice: object) -> bool:
    """A choice without a number is the only one; what is no choice at all is not to be overlooked."""
    return not isinstance(choice, dict) or choice.get("index") in (None, 0)
