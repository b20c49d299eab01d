"""Why a model stopped, in one form: ``stop``, ``length``, ``content_filter``, ``tool_calls``; else the provider's word.

OpenAI's words are the form. The others come from Anthropic, Bedrock, and servers that imitate OpenAI but not in this.
"""

from __future__ import annotations

from collections.abc import Mapping

from baton.adapters.llm.reading import name_of

FORMS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "complete": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "safety": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
}


def finish_reason(said: object) -> str | None:
    """The reason that an answer tells, whatever type it has there."""
    word = name_of(said)
    return word and FORMS.get(word.lower(), word.lower() if word.isupper() else word)
