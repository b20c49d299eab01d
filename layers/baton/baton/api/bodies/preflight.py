"""The preflight of a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import Field, JsonValue

from baton.api.bodies.fields import Name, Request, View
from baton.api.budget import fit_texts, remaining_budget
from baton.domain.catalog.definitions import Workflow
from baton.domain.prompts import Where
from baton.domain.runs.preflight import ExpectedPayload, FoundIn, Preflight


class PreflightRequest(Request):
    """The variables that a run would be started with."""

    variables: dict[Name, JsonValue] | None = Field(default_factory=dict)


class ReferenceView(View):
    """Where a reference's value would come from; with `later` and `missing` it has no value."""

    name: str
    where: Where
    source: FoundIn
    position: int | None = Field(default=None, exclude_if=lambda position: position is None)


class EstimateView(View):
    """Tokens, and US dollars where the instances have prices. Answers are assumed to have their maximum length."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None


class ExpectedPayloadView(View):
    """One payload with its prompt and its system text as far as they are known."""

    position: int
    payload_id: int
    payload_name: str
    prompt: str
    prompt_truncated: bool
    system: str | None
    system_truncated: bool
    references: list[ReferenceView]
    estimate: EstimateView


class PreflightView(View):
    """What is known of a run before it starts, without calling an LLM."""

    workflow_id: int
    workflow_name: str
    payloads: list[ExpectedPayloadView]
    warnings: list[str]
    estimate: EstimateView

    @classmethod
    def of(cls, workflow: Workflow, result: Preflight) -> PreflightView:
        """The preflight as clients read it."""
        view = cls.model_validate(
            {
                "workflow_id": workflow.id,
                "workflow_name": workflow.name,
                "payloads": [_without_texts(payload) for payload in result.payloads],
                "warnings": list(result.warnings),
                "estimate": asdict(result.estimate),
            }
        )
        texts = [text for payload in result.payloads for text in (payload.prompt, payload.system or "")]
        fitting = fit_texts(texts, remaining_budget(view))
        for payload, prompt, system in zip(view.payloads, fitting[::2], fitting[1::2], strict=True):
            payload.prompt, payload.prompt_truncated = prompt
            payload.system_truncated = system[1]
            payload.system = None if payload.system is None else system[0]
        return view


def _without_texts(payload: ExpectedPayload) -> dict[str, Any]:
    """The payload with empty texts; these are added when it is known how much of them fits."""
    system = None if payload.system is None else ""
    return asdict(payload) | {"prompt": "", "prompt_truncated": False, "system": system, "system_truncated": False}
