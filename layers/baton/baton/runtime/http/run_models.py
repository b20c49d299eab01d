"""Runs and responses as clients write and read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field, JsonValue

from baton.domain.runs import OnMissing, Response, Run, RunHistory, Status
from baton.runtime.http.budget import MAX_ANSWER_BYTES, fit
from baton.runtime.http.fields import Answer, Name, Request, WholeAnswer


def _is_none(value: object) -> bool:
    return value is None


class ExecuteRequest(Request):
    """What a run is started with."""

    variables: dict[Name, JsonValue] | None = Field(default_factory=dict)
    on_missing: OnMissing | None = Field(
        default="keep",
        description="What becomes of a reference that finds nothing: it stays as written, becomes nothing, "
        "or the run fails; before it starts, if the reference can never be found.",
    )


class ExecuteAnswer(WholeAnswer):
    """A run that has been started; it reads ``created`` until the state machine has begun."""

    run_id: int = Field(serialization_alias="runId")
    message: Literal["Workflow execution started"] = "Workflow execution started"
    status: Literal["running"] = "running"


class ResponseAnswer(WholeAnswer):
    """What one payload answered. A content that doesn't fit beside the others is cut and marked."""

    id: int
    run_id: int
    payload_id: int
    payload_name: str
    position: int
    content: str
    content_truncated: bool = False
    metadata: dict[str, Any]
    created_at: str

    @classmethod
    def of(cls, response: Response) -> Self:
        """The response as clients read it."""
        return cls(**{name: getattr(response, name) for name in cls.model_fields})


class PromptedResponseAnswer(ResponseAnswer):
    """A response with the prompt that brought it about."""

    prompt: str
    prompt_truncated: bool = False


class RunMetadata(Answer):
    """What else is known of a run.

    ``error`` says why it failed; ``tries`` how many LLM calls were made for the payload that was given up, and
    ``waited_seconds`` what was waited for it.
    """

    workflow_name: str
    total_payloads: int
    completed_payloads: int
    attempt: int
    created_at: str
    error: str | None = Field(default=None, exclude_if=_is_none)
    tries: int | None = Field(default=None, exclude_if=_is_none)
    waited_seconds: int | None = Field(default=None, exclude_if=_is_none)


class RunSummary(Answer):
    """A run in a list."""

    id: int
    workflow_id: int
    status: Status
    started_at: str | None
    completed_at: str | None
    metadata: RunMetadata

    @classmethod
    def of(cls, run: Run) -> RunSummary:
        """The run as clients read it in a list."""
        return cls(**_own(run), metadata=RunMetadata(**_metadata(run, run.completed)))


class FullRunMetadata(RunMetadata):
    """The same, with the variables that the run was started with."""

    variables: dict[str, Any]


class RunAnswer(RunSummary):
    """A run with all that it has produced so far, responses in order."""

    metadata: FullRunMetadata
    responses: list[ResponseAnswer]

    @classmethod
    def of_history(cls, history: RunHistory) -> RunAnswer:
        """The run as clients read it by itself; what has answered counts as completed at once."""
        metadata = FullRunMetadata(**_metadata(history.run, len(history.responses)), variables=dict(history.variables))
        told = [replace(response, prompt=None) for response in history.responses]
        responses = [ResponseAnswer.of(response) for response in fitted(told)]
        return cls(**_own(history.run), metadata=metadata, responses=responses)


def fitted(responses: Sequence[Response], budget: int = MAX_ANSWER_BYTES) -> list[Response]:
    """The responses with as much of their contents and prompts, first ones first, as one answer can carry."""
    contents = fit((response.content for response in responses), budget)
    left = budget - sum(len(content.encode()) for content, _ in contents)
    prompts = fit((response.prompt or "" for response in responses), left)
    return [
        replace(
            response,
            content=content,
            content_truncated=response.content_truncated or content_cut,
            prompt=None if response.prompt is None else prompt,
            prompt_truncated=prompt_cut,
        )
        for response, (content, content_cut), (prompt, prompt_cut) in zip(responses, contents, prompts, strict=True)
    ]


def _own(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in ("id", "workflow_id", "status", "started_at", "completed_at")}


def _metadata(run: Run, completed: int) -> dict[str, Any]:
    return {
        "workflow_name": run.workflow_name,
        "total_payloads": run.total,
        "completed_payloads": completed,
        "attempt": run.attempt,
        "created_at": run.created_at,
        "error": run.error,
        "tries": run.tries,
        "waited_seconds": run.waited_seconds,
    }
