"""The finish reasons of all vendors are mapped to one set."""

from __future__ import annotations

import pytest

from baton.adapters.llm.formats.finish_reasons import finish_reason

STOP = [
    "stop",
    "STOP",
    " Stop\n",
    "end_turn",
    "endTurn",
    "stop_sequence",
    "stop-sequence",
    "eos",
    "eos_token",
    "FINISHED",
]
STOP += ["COMPLETE", "completed", "FinishReason.STOP", "FINISH_REASON_STOP", "REASON_STOP", "normal", "done", "word"]
LENGTH = ["length", "LENGTH", "max_tokens", "MAX_TOKENS", "max-tokens", "maxTokens", "max tokens", "max_output_tokens"]
LENGTH += ["max_completion_tokens", "model_length", "model_context_window_exceeded", "incomplete", "token_limit"]
LENGTH += ["FinishReason.MAX_TOKENS", "REASON_MAX_LEN", "REASON_MAX_CONTEXT", "ERROR_LIMIT", "pause_turn", "repetition"]
LENGTH += ["maximum_tokens", "limit", "max_output", "truncated", "context_length_exceeded"]
FILTER = ["content_filter", "content-filter", "Content Filter", "contentFilter", "content_filtered", "sensitive"]
FILTER += ["safety", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "MODEL_ARMOR"]
FILTER += ["refusal", "guardrail_intervened", "guardrailIntervened", "LANGUAGE", "ERROR_TOXIC", "FinishReason.SAFETY"]
FILTER += ["content_filter: PROHIBITED_CONTENT", "FINISH_REASON_SAFETY", "moderation", "policy_violation"]
FAILURE = [
    "error",
    "ERROR",
    "Error ",
    "network_error",
    "network-error",
    "networkError",
    "server_error",
    "internal_error",
]
FAILURE += ["abort", "aborted", "cancelled", "canceled", "USER_CANCEL", "timeout", "TIMEOUT", "timed_out", "failed"]
FAILURE += [
    "insufficient_system_resource",
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "malformed_model_output",
    "upstream_error",
]
FAILURE += ["function_call_filter: MALFORMED_FUNCTION_CALL", "malformed_tool_use", "engine_overloaded", "rate_limit"]
FAILURE += ["UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "FinishReason.OTHER", "model_error", "service_unavailable"]
TOOLS = ["tool_calls", "tool_call", "TOOL_CALL", "tool_use", "toolUse", "function_call", "REASON_TOOL_CALLS"]
MISSING: list[object] = [
    None,
    "",
    " ",
    "\n\t",
    "null",
    "NULL",
    "None",
    " none ",
    "undefined",
    "FINISH_REASON_UNSPECIFIED",
]
MISSING += ["not_finished", "in_progress", "\u200b", 7, True, [], {}, ["stop"], {"type": None}]


def rows(form: str | None, words: list[object] | list[str]) -> list[tuple[object, str | None]]:
    return [(word, form) for word in words]


@pytest.mark.parametrize(
    ("sent", "form"),
    [
        *rows("stop", STOP),
        *rows("length", LENGTH),
        *rows("content_filter", FILTER),
        *rows("error", FAILURE),
        *rows("tool_calls", TOOLS),
        *rows(None, MISSING),
        ({"type": "length", "length": 16}, "length"),
        ({"type": "abort", "message": "Aborted"}, "error"),
    ],
)
def test_each_vendors_finish_reason_has_one_form(sent: object, form: str | None) -> None:
    assert finish_reason(sent) == form


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("load", "load"),
        ("UNKNOWN", "unknown"),
        ("compaction", "compaction"),
        ("停止", "停止"),
        ("x" * 10_000, "x" * 200),
    ],
)
def test_unknown_finish_reasons_are_unchanged(sent: str, expected: str) -> None:
    assert finish_reason(sent) == expected
