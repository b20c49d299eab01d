"""Why a model stopped, the same for every provider: ``stop``, ``length``, ``content_filter``, ``tool_calls``,
``error``; ``None`` if it is missing; else the provider's own term.

Case and separators are ignored: ``MAX_TOKENS``, ``max-tokens`` and ``maxTokens`` are the same. A term that isn't in the
table is classified by its parts, as ``upstream_error`` and ``content_filter: PROHIBITED_CONTENT`` can be. The terms are
from:

- OpenAI, and the status of its Responses API: https://platform.openai.com/docs/api-reference
- Anthropic: https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons
- Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_MessageStopEvent.html
- Gemini: https://ai.google.dev/api/generate-content#FinishReason, which gateways to it pass on
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
"""The provider failed while answering: a failure like a 5xx, and no answer."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


MISSING = _words("null none nil undefined unspecified n_a nan false not_finished in_progress queued") | {""}
"""Terms for no reason: ``"null"`` is DashScope's while a model is still writing."""

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
"""Whole terms. ``pause_turn`` is ``length``: Anthropic pauses a turn that its own tools make too long, so the answer
is incomplete."""

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
"""Parts of terms that aren't in the first table; the first row with a match counts."""

MALFORMED_OUTPUT = "malformed"
"""The model's output is malformed, whatever the other parts: ``function_call_filter: MALFORMED_FUNCTION_CALL``."""

CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
SEPARATORS = re.compile(r"[\W_]+")
PREFIXES = re.compile(r"^(?:finish_?reason|stop_?reason|reason)_")
"""Names of enumerations, which some servers send: ``FINISH_REASON_STOP``, ``FinishReason.STOP``."""


def replaces(later: object, earlier: object) -> bool:
    """Whether a later reason replaces an earlier one. No reason never replaces one; an error doesn't replace a reason,
    and ``stop`` doesn't replace a cut or a filter."""
    new, old = finish_reason(later), finish_reason(earlier)
    return new is not None if old in (None, ERROR) else new not in (None, ERROR, STOP)


def finish_reason(value: object) -> str | None:
    """The reason in an answer's field, whatever its type."""
    if isinstance(value, dict):  # SGLang: {"type": "length", "length": 16}
        value = value.get("type")
    label = name_of(value) or ""
    word = _normalized(label)
    if word in MISSING:
        return None
    return _classified(word) or (label.lower() if label.isupper() else label).strip()


def _normalized(label: str) -> str:
    word = SEPARATORS.sub("_", CAMEL_CASE_BOUNDARY.sub("_", label).lower()).strip("_")
    return PREFIXES.sub("", word)


def _classified(word: str) -> str | None:
    exact = next((reason for reason, words in WORDS.items() if word in words), None)
    if exact is not None:
        return exact
    parts = frozenset(word.split("_"))
    if MALFORMED_OUTPUT in parts:
        return ERROR
    return next((reason for reason, known in PARTS.items() if parts & known), None)
