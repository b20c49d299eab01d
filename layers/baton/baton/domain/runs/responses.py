"""Responses of payloads: what is stored of an answer, whole or in part."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from baton.domain.llm.calls import LlmAnswer
from baton.domain.llm.tokens import TokenUsage
from baton.domain.prompts import Reference

MAX_LABEL_CHARACTERS = 200
"""The stored length of a model's name and of a finish reason, which come from the provider."""

MAX_REFERENCES_BYTES = 100_000
"""Of one response, as JSON. A response is one DynamoDB item, and its two texts may have as many bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextPayload:
    """The payload that starts when the one before it has answered."""

    position: int
    payload_id: int
    payload_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What one payload of a run answered.

    If ``content_truncated``, ``content`` has only the first bytes of a long answer, and the whole text is stored by
    itself under ``content_key``. ``content_bytes`` is the size of the whole text. The same holds for the prompt.
    ``following`` is the payload that started when this response was stored. ``published_characters`` of a streamed
    answer were published in parts before it was complete; if it is set, the rest is published with the response.
    """

    tenant: str
    id: int
    run_id: int
    workflow_id: int
    payload_id: int
    payload_name: str
    position: int
    total: int
    attempt: int
    content: str
    started_at: str
    created_at: str
    expires_at: int
    prompt: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    following: NextPayload | None = None
    published_characters: int | None = None
    content_truncated: bool = False
    content_key: str | None = None
    content_bytes: int | None = None
    prompt_truncated: bool = False
    prompt_key: str | None = None
    prompt_bytes: int | None = None

    @property
    def usage(self) -> TokenUsage:
        """The tokens of the call; a count that the provider did not report is 0."""
        return TokenUsage(
            prompt_tokens=self.metadata.get("prompt_tokens") or 0,
            completion_tokens=self.metadata.get("completion_tokens") or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialAnswer:
    """A part of an answer that is being streamed: ``delta`` starts at ``offset``, in characters.

    An offset of 0 starts the answer, or starts it again after a failed call.
    """

    tenant: str
    run_id: int
    workflow_id: int
    payload_id: int
    payload_name: str
    position: int
    total: int
    attempt: int
    delta: str
    offset: int
    tokens_per_second: float | None = None
    published_at: str
    expires_at: int


def answer_metadata(answer: LlmAnswer, duration_ms: int) -> dict[str, Any]:
    """The metadata of an answer for its response; ``empty`` is present only if it is true."""
    completion = answer.completion_tokens
    known = [count for count in (answer.prompt_tokens, completion) if count is not None]
    return {
        "model": answer.model[:MAX_LABEL_CHARACTERS],
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": sum(known) if known else None,
        "duration_ms": duration_ms,
        "tokens_per_second": round(completion * 1000 / duration_ms, 2) if completion and duration_ms else None,
        "finish_reason": answer.finish_reason and answer.finish_reason[:MAX_LABEL_CHARACTERS],
        "truncated": answer.truncated,
        "format_retries": answer.format_retries,
        **({"empty": True} if answer.empty else {}),
    }


def references_metadata(references: Iterable[Reference]) -> dict[str, Any]:
    """The references of a response, up to :data:`MAX_REFERENCES_BYTES`; ``references_truncated`` if there are more."""
    records = [reference_record(reference) for reference in references]
    sizes = accumulate(len(json.dumps(record, ensure_ascii=False).encode()) for record in records)
    stored = [record for record, size in zip(records, sizes, strict=True) if size <= MAX_REFERENCES_BYTES]
    return {"references": stored} | ({"references_truncated": True} if len(stored) < len(records) else {})


def reference_record(reference: Reference) -> dict[str, Any]:
    """A reference as clients read it: ``{name, where, source, position?}``."""
    record: dict[str, Any] = {"name": reference.name, "where": reference.where, "source": reference.source}
    return record if reference.position is None else record | {"position": reference.position}
