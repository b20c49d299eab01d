"""What is told of a run before it is started."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import Field, JsonValue

from baton.domain.catalog import Workflow
from baton.domain.preflight import FoundIn, Preflight
from baton.runtime.http.budget import fit, room_beside
from baton.runtime.http.fields import Answer, Name, Request


class PreflightRequest(Request):
    """The variables that a run would be started with."""

    variables: dict[Name, JsonValue] = Field(default_factory=dict)


class ReferenceAnswer(Answer):
    """Where a reference's value would come from; `later` and `missing` find nothing."""

    name: str
    source: FoundIn
    position: int | None = Field(default=None, exclude_if=lambda position: position is None)


class EstimateAnswer(Answer):
    """Tokens, and US dollars where the instances have prices. Answers are reckoned at their longest."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None


class ExpectedPayloadAnswer(Answer):
    """One payload with its prompt as far as it is known."""

    position: int
    payload_id: int
    payload_name: str
    prompt: str
    prompt_truncated: bool
    references: list[ReferenceAnswer]
    estimate: EstimateAnswer


class PreflightAnswer(Answer):
    """All that can be told without calling an LLM."""

    workflow_id: int
    workflow_name: str
    payloads: list[ExpectedPayloadAnswer]
    warnings: list[str]
    estimate: EstimateAnswer

    @classmethod
    def of(cls, workflow: Workflow, told: Preflight) -> PreflightAnswer:
        """The preflight as clients read it."""
        answer = cls.model_validate(
            {
                "workflow_id": workflow.id,
                "workflow_name": workflow.name,
                "payloads": [asdict(payload) | {"prompt": "", "prompt_truncated": False} for payload in told.payloads],
                "warnings": list(told.warnings),
                "estimate": asdict(told.estimate),
            }
        )
        prompts = fit([payload.prompt for payload in told.payloads], room_beside(answer))
        for payload, (prompt, cut) in zip(answer.payloads, prompts, strict=True):
            payload.prompt, payload.prompt_truncated = prompt, cut
        return answer
