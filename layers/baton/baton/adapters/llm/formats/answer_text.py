"""The text of an answer, or why there is none: one rule for every provider, streamed or not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from baton.adapters.llm.formats.failures import provider_message
from baton.adapters.llm.formats.finish_reasons import CONTENT_FILTER, ERROR, LENGTH, STOP, TOOL_CALLS, finish_reason
from baton.adapters.llm.formats.request_parts import refused
from baton.adapters.llm.formats.response_parts import name_of
from baton.domain.errors import LlmAnswerInvalid, LlmError, LlmServerError
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.reasoning_marks import BEGIN_OF_REASONING, END_OF_REASONING

SPACES = re.compile(r"\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A model's output. ``reason`` is the provider's own finish reason; ``declined`` is whether a separate field
    reports a refusal; the other flags are whether the output contains reasoning, tool calls or parts of other types."""

    text: str
    reason: object
    declined: bool = False
    reasoning: bool = False
    tool_calls: bool = False
    other_parts: bool = False


def answer_text(output: Output, call: LlmCall) -> str:
    """The text, unchanged. It is empty only if the model stopped by itself and produced nothing else.

    Raises ``LlmRefused`` for a declined or filtered request, with or without text; ``LlmServerError`` if the provider
    failed while answering; ``LlmAnswerInvalid`` for reasoning, tool calls or a cut answer without text.
    """
    reason = finish_reason(output.reason)
    if output.declined or reason == CONTENT_FILTER:
        raise _filter_error(output, call)
    if reason == ERROR:
        raise LlmServerError(f"{_subject(call)} failed while it answered{_quoted_reason(output, call)}.")
    if has_answer(output.text):
        return output.text
    if reason == STOP and not (output.reasoning or output.tool_calls or output.other_parts or output.text.strip()):
        return output.text
    raise LlmAnswerInvalid(f"{_subject(call)} {_content_error(output, reason, call)}.")


def has_answer(text: str) -> bool:
    """Whether there is more than white space and ``<think>`` blocks, closed or not."""
    at = _after_spaces(text, 0)
    while begun := BEGIN_OF_REASONING.match(text, at):
        ended = END_OF_REASONING.search(text, begun.end())
        at = len(text) if ended is None else _after_spaces(text, ended.end())
    rest = text[at:].strip()
    return bool(rest) and not _is_reasoning_without_start_mark(rest)


def _after_spaces(text: str, at: int) -> int:
    found = SPACES.match(text, at)
    return at if found is None else found.end()


def _is_reasoning_without_start_mark(text: str) -> bool:
    """Some models' templates put the start of the block into the prompt (DeepSeek-R1)."""
    ended = END_OF_REASONING.search(text)
    return ended is not None and ended.end() == len(text) and BEGIN_OF_REASONING.search(text) is None


def _content_error(output: Output, reason: str | None, call: LlmCall) -> str:
    if output.reasoning or output.text.strip():
        return "sent only reasoning, no answer; raise max_tokens"
    if output.tool_calls or reason == TOOL_CALLS:
        return "sent only tool calls, no answer; remove the tools from its options"
    if reason == LENGTH:
        return f"was cut off before the first word of its answer{_quoted_reason(output, call)}; raise max_tokens"
    if reason is None:
        return "sent an answer without text, and without a reason why it stopped"
    return f"sent an answer without text{_quoted_reason(output, call)}"


def _filter_error(output: Output, call: LlmCall) -> LlmError:
    declined = output.declined or (name_of(output.reason) or "").strip().lower() == "refusal"
    if declined:
        return refused(call, "answered that the model declines this request (refusal)")
    return refused(call, f"answered that its content filter stopped this request{_quoted_reason(output, call)}")


def _quoted_reason(output: Output, call: LlmCall) -> str:
    reason = provider_message(name_of(output.reason) or "", call)
    return f" (finish reason {reason})" if reason else ""


def _subject(call: LlmCall) -> str:
    return f"LLM instance {call.endpoint.instance_name!r}"
