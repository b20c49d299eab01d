"""Why a model stopped, in one form for every provider: ``stop``, ``length``, ``content_filter``, ``tool_calls``,
``error``; ``None`` where it isn't said; else the provider's own word.

Case, and what stands between the parts of a word, doesn't count: ``MAX_TOKENS``, ``max-tokens`` and ``maxTokens`` are
one word. A word that isn't in the table is judged by its parts, since ``upstream_error`` and ``content_filter:
PROHIBITED_CONTENT`` say what they mean. The words are from:

- OpenAI, and the status of its Responses API: https://platform.openai.com/docs/api-reference
- Anthropic: https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons
- Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html
- Gemini: https://ai.google.dev/api/generate-content#FinishReason, which its gateways hand on
- DeepSeek (``insufficient_system_resource``): https://api-docs.deepseek.com/api/create-chat-completion
- Zhipu (``sensitive``, ``network_error``): https://docs.bigmodel.cn/api-reference
- Cohere: https://docs.cohere.com/reference/chat; Mistral (``model_length``, ``error``): https://docs.mistral.ai/api
- vLLM and SGLang (``abort``, ``error``, ``repetition``), TGI (``eos_token``), llama.cpp (``limit``, ``word``),
  watsonx (``not_finished``, ``token_limit``), xAI (``REASON_MAX_LEN``), Titan (``FINISHED``), ERNIE (``normal``)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from baton.adapters.llm.formats.response_parts import name_of

STOP: Final = "stop"
LENGTH: Final = "length"
CONTENT_FILTER: Final = "content_filter"
TOOL_CALLS: Final = "tool_calls"
ERROR: Final = "error"
"""The provider failed while it answered: a failure like a 5xx, and no answer."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


MISSING = _words("null none nil undefined unspecified n_a nan false not_finished in_progress queued") | {""}
"""Not all servers have a null: ``"null"`` is DashScope's word while a model is still writing."""

WORDS: Mapping[str, frozenset[str]] = {
    STOP: _words(
        "stop stopped end_turn stop_sequence stop_sequences eos eos_token end_of_text endoftext end_of_sequence word "
        "complete completed done finish finished normal stop_token stop_criteria_met end ended eot eom end_of_message"
    ),
    LENGTH: _words("pause_turn repetition time_limit error_limit max_len"),
    CONTENT_FILTER: _words("language spii safe_guard"),
    TOOL_CALLS: _words("tool_calls tool_call tool_use function_call function_calls tool_uses"),
    ERROR: _words("other image_other timed_out no_image unexpected_tool_call too_many_tool_calls"),
}
"""Whole words. Anthropic pauses a turn that its own tools make too long: what has come is only the beginning."""

PARTS: Mapping[str, frozenset[str]] = {
    CONTENT_FILTER: _words(
        "filter filtered refusal refused safety unsafe sensitive moderation moderated guardrail guardrails recitation "
        "block blocklist blocked prohibited policy violation toxic toxicity harmful censored flagged pii armor risk "
        "risky illegal inappropriate copyright copyrighted nsfw banned restricted declined"
    ),
    ERROR: _words(
        "error errors errored fail failed failure fault exception exceptions abort aborted cancel canceled cancelled "
        "timeout unavailable overload overloaded interrupted disconnect disconnected insufficient rate ratelimit "
        "ratelimited quota throttled throttling crash crashed shutdown missing lost killed terminated oom preempted "
        "evicted expired"
    ),
    LENGTH: _words("length tokens max limit exceeded truncated truncation context incomplete cut cutoff long partial"),
}
"""Parts of words that aren't in the first table; the first row counts that has one."""

BROKEN_OUTPUT = "malformed"
"""Of the model's own output, whatever else the word holds: ``function_call_filter: MALFORMED_FUNCTION_CALL``."""

HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
BETWEEN = re.compile(r"[\W_]+")
PREFIXES = re.compile(r"^(?:finish_?reason|stop_?reason|reason)_")
"""Of enumerations, whose full names are sent by some: ``FINISH_REASON_STOP``, ``FinishReason.STOP``."""


def replaces(said: object, before: object) -> bool:
    """Whether a reason that comes after another one counts in its place: one that says nothing never does. A model that
    came to its end has not failed, and one that was cut or filtered has not stopped by itself."""
    new, old = finish_reason(said), finish_reason(before)
    return new is not None if old in (None, ERROR) else new not in (None, ERROR, STOP)


def finish_reason(said: object) -> str | None:
    """The reason that an answer tells, whatever type it has there."""
    if isinstance(said, dict):  # SGLang: {"type": "length", "length": 16}
        said = said.get("type")
    label = name_of(said) or ""
    word = _normal(label)
    if word in MISSING:
        return None
    return _form(word) or (label.lower() if label.isupper() else label).strip()


def _normal(label: str) -> str:
    word = BETWEEN.sub("_", HUMP.sub("_", label).lower()).strip("_")
    return PREFIXES.sub("", word)


def _form(word: str) -> str | None:
    exact = next((form for form, words in WORDS.items() if word in words), None)
    if exact is not None:
        return exact
    parts = frozenset(word.split("_"))
    if BROKEN_OUTPUT in parts:
        return ERROR
    return next((form for form, known in PARTS.items() if parts & known), None)
