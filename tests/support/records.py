"""Builders of records: each accepts the fields that matter to a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from baton.domain.catalog.definitions import BlockDraft, InlineBlock, LlmInstanceDraft, PayloadDraft, WorkflowDraft
from baton.domain.llm.api_keys import ApiKey, Destination
from baton.domain.llm.calls import LlmAnswer
from baton.domain.llm.endpoints import LlmEndpoint, LlmTarget
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference
from baton.domain.runs.plan import predecessors
from baton.domain.runs.responses import PartialAnswer, Response
from baton.domain.runs.run import Run
from baton.domain.runs.snapshots import PayloadSnapshot

TENANT = "acme"
OTHER_TENANT = "globex"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
AT_NOON = "2026-01-31T12:00:00.000Z"
EXPIRES_AT = 1_777_777_777

_RUN = Run(
    tenant=TENANT,
    id=1,
    workflow_id=7,
    workflow_name="Relay",
    status="running",
    total=2,
    first_response_id=1,
    created_at=AT_NOON,
    expires_at=EXPIRES_AT,
    started_at="2026-01-31T12:00:00.100Z",
    correlation_id="call-1",
)
_ENDPOINT = LlmEndpoint(
    instance_id=5,
    instance_name="demo",
    provider="simulated",
    base_url=None,
    model="small-1",
    timeout_seconds=30.0,
    has_api_key=False,
)
_RESPONSE = Response(
    tenant=TENANT,
    id=1,
    run_id=1,
    workflow_id=7,
    payload_id=11,
    payload_name="first",
    position=0,
    total=2,
    attempt=1,
    content="An answer.",
    prompt="A prompt.",
    metadata={"model": "small-1", "tokens_per_second": 12.5, "references": []},
    started_at="2026-01-31T12:00:00.200Z",
    created_at="2026-01-31T12:00:01.000Z",
    expires_at=EXPIRES_AT,
    correlation_id="call-1",
)


def a_run(**fields: Any) -> Run:
    """By default a running run of two payloads."""
    return replace(_RUN, **fields)


def an_endpoint(**fields: Any) -> LlmEndpoint:
    """An endpoint that needs no key."""
    return replace(_ENDPOINT, **fields)


def a_snapshot(
    position: int = 0,
    *,
    name: str = "first",
    template: str = "Say something.",
    references: Iterable[Reference] = (),
    **fields: Any,
) -> PayloadSnapshot:
    """The snapshot of a payload whose id is 11 + its position."""
    settings = LlmSettings(temperature=0.25, stop=("END",), options={"top_k": 3})
    snapshot = PayloadSnapshot(
        position=position,
        payload_id=11 + position,
        payload_name=name,
        template=template,
        references=tuple(references),
        targets=(LlmTarget(endpoint=_ENDPOINT, settings=settings),),
        after=predecessors(position),
    )
    return replace(snapshot, **fields)


def a_response(position: int = 0, **fields: Any) -> Response:
    """The answer of the payload at a position, whose id is 11 + its position."""
    at_position = {"id": 1 + position, "position": position, "payload_id": 11 + position}
    return replace(_RESPONSE, **(at_position | fields))


def a_part(**fields: Any) -> PartialAnswer:
    """A part of the answer of the payload at position 0."""
    part = PartialAnswer(
        tenant=TENANT,
        run_id=1,
        workflow_id=7,
        payload_id=11,
        payload_name="first",
        position=0,
        total=2,
        attempt=1,
        delta="An ans",
        offset=0,
        tokens_per_second=12.5,
        published_at="2026-01-31T12:00:00.700Z",
        expires_at=EXPIRES_AT,
        correlation_id="call-1",
    )
    return replace(part, **fields)


def an_answer(content: str = "An answer.", **fields: Any) -> LlmAnswer:
    """An answer of an LLM, with counts."""
    answer = LlmAnswer(content=content, model="small-1", prompt_tokens=3, completion_tokens=5, finish_reason="stop")
    return replace(answer, **fields)


def block_draft(title: str = "Greeting", content: str = "Hello.") -> BlockDraft:
    """A block with tags."""
    return BlockDraft(title=title, content=content, tags=("a", "b"), folder_path="/demo")


def payload_draft(
    name: str = "first", blocks: Iterable[int | InlineBlock] = (1,), llm_instance: int = 1
) -> PayloadDraft:
    """A payload with settings."""
    settings = LlmSettings(temperature=0.1, max_tokens=50, stop=("END",), options={"top_k": 3})
    return PayloadDraft(name=name, blocks=tuple(blocks), llm_instance=llm_instance, settings=settings)


def workflow_draft(name: str = "Relay", payloads: Iterable[int] = (1,)) -> WorkflowDraft:
    """A workflow."""
    return WorkflowDraft(name=name, payloads=tuple(payloads))


def instance_draft(name: str = "demo", **fields: Any) -> LlmInstanceDraft:
    """An LLM instance of the simulated provider."""
    return replace(LlmInstanceDraft(name=name, provider="simulated", model="small-1"), **fields)


def an_api_key(key: str = "sk-one", origin: str | None = None, provider: str = "simulated") -> ApiKey:
    """By default a key for the simulated provider."""
    return ApiKey(Destination(origin, provider), key)
