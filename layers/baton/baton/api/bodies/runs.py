"""Runs and responses as clients write and read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, Self

from pydantic import Field, JsonValue

from baton.api.bodies.fields import Listed, Name, Request, View, WholeView
from baton.api.budget import MAX_BODY_BYTES, LongText, fit_texts, remaining_budget
from baton.domain.llm.tokens import TokenUsage
from baton.domain.pages import Page
from baton.domain.runs.responses import Response
from baton.domain.runs.resumes import DefinitionChoice
from baton.domain.runs.run import OnMissing, Run, RunHistory, Status
from baton.usecases.runs.ports import LongTexts

URL_SECONDS = 300

MAX_LISTED_METADATA_BYTES = 10_000
"""The maximum metadata of one response in a list; a workflow has up to 200 payloads."""


def _is_none(value: object) -> bool:
    return value is None


class ExecuteRequest(Request):
    """The variables of a run, and how it handles unresolved references."""

    variables: dict[Name, JsonValue] | None = Field(default_factory=dict)
    on_missing: OnMissing | None = Field(
        default="keep",
        description="How unresolved references are handled: left verbatim, replaced by nothing, "
        "or the run fails; before it starts, if the reference can never be found.",
    )


class ResumeRequest(Request):
    """What changes with the next attempt of a run."""

    variables: dict[Name, JsonValue] | None = Field(
        default_factory=dict, description="Replace the variables of the same names; the others are unchanged."
    )
    definition: DefinitionChoice | None = Field(
        default="snapshot",
        description="What the payloads without a response execute: the definition that the run has used so far, or, "
        "with `latest`, the workflow, payloads, blocks and LLM instances as they are now.",
    )


class RerunRequest(Request):
    """What differs from the run that is repeated."""

    variables: dict[Name, JsonValue] | None = Field(
        default_factory=dict, description="Replace the variables of the same names; the others are those of the run."
    )
    on_missing: OnMissing | None = Field(
        default=None, description="How unresolved references are handled; by default as in the run."
    )


class ExecuteView(WholeView):
    """A run that has been started. ``status`` is always ``running`` here; the run itself is ``created`` until its first
    payload starts."""

    run_id: int = Field(serialization_alias="runId")
    message: Literal["Workflow execution started"] = "Workflow execution started"
    status: Literal["running"] = "running"


class ResponseView(WholeView):
    """The response of one payload.

    A content that doesn't fit into the body is cut and marked; `GET /api/runs/{run_id}/responses/{position}` has
    the whole of it, and the list of references that is missing if the metadata has `references_truncated`. If a
    single response has that mark, it had more than 100 KB of references, of which no more are stored.
    """

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
        """The view of a response."""
        return cls(**{name: getattr(response, name) for name in cls.model_fields if hasattr(response, name)})


class PromptedResponseView(ResponseView):
    """A response with its prompt."""

    prompt: str
    prompt_truncated: bool = False


class SingleResponseView(PromptedResponseView):
    """A response by itself. A text that is too large to be sent is cut and marked, and has a URL."""

    content_url: str | None = Field(
        default=None, description="A URL of the whole content, if it was cut; valid for 5 minutes."
    )
    prompt_url: str | None = Field(
        default=None, description="A URL of the whole prompt, if it was cut; valid for 5 minutes."
    )

    @classmethod
    def of_whole(cls, response: Response, texts: LongTexts) -> SingleResponseView:
        """The view of a single response."""
        bare = cls.of(_without_texts(response))
        bare.content_url = _url(response.content_key, texts)
        bare.prompt_url = _url(response.prompt_key, texts)
        (fitting,) = fit_responses([response], texts, remaining_budget(bare))
        whole = cls.of(fitting)
        whole.content_url = bare.content_url if fitting.content_truncated else None
        whole.prompt_url = bare.prompt_url if fitting.prompt_truncated else None
        return whole


def _url(key: str | None, texts: LongTexts) -> str | None:
    return None if key is None else texts.url(key, URL_SECONDS)


class UsageView(View):
    """The tokens of a run's responses, as the providers report them; a count that is not reported is 0."""

    prompt_tokens: int
    completion_tokens: int

    @classmethod
    def of(cls, usage: TokenUsage | None) -> UsageView | None:
        """The view of a usage, if it is known."""
        return None if usage is None else UsageView(**asdict(usage))


class RunMetadata(View):
    """Details of a run.

    In a list, ``usage`` is missing for runs of an older version of Baton. For a failed run, ``error`` is the reason,
    ``tries`` the number of LLM calls of the payload that failed, and ``waited_seconds`` the time waited between them.
    ``correlation_id`` is the `X-Correlation-Id` of the call that started the current attempt; the functions log it.
    ``rerun_of`` is the run that this one repeats.
    """

    workflow_name: str
    total_payloads: int
    completed_payloads: int
    attempt: int
    created_at: str
    usage: UsageView | None = Field(default=None, exclude_if=_is_none)
    error: str | None = Field(default=None, exclude_if=_is_none)
    tries: int | None = Field(default=None, exclude_if=_is_none)
    waited_seconds: int | None = Field(default=None, exclude_if=_is_none)
    correlation_id: str | None = Field(default=None, exclude_if=_is_none)
    rerun_of: int | None = Field(default=None, exclude_if=_is_none)

    @classmethod
    def of(cls, run: Run, completed: int, **more: Any) -> Self:
        """The metadata of a run of which so many payloads are completed, and the fields ``more``."""
        return cls(
            workflow_name=run.workflow_name,
            total_payloads=run.total,
            completed_payloads=completed,
            attempt=run.attempt,
            created_at=run.created_at,
            usage=UsageView.of(run.usage),
            error=run.error,
            tries=run.tries,
            waited_seconds=run.waited_seconds,
            correlation_id=run.correlation_id,
            rerun_of=run.rerun_of,
            **more,
        )


class RunSummary(View):
    """A run in a list."""

    id: int
    workflow_id: int
    status: Status
    started_at: str | None
    completed_at: str | None
    metadata: RunMetadata

    @classmethod
    def of(cls, run: Run) -> RunSummary:
        """The view of a run in a list."""
        return RunSummary.with_metadata(run, RunMetadata.of(run, run.completed))

    @classmethod
    def with_metadata(cls, run: Run, metadata: RunMetadata, **more: Any) -> Self:
        """The view of a run with this metadata, and the fields ``more``."""
        return cls(
            id=run.id,
            workflow_id=run.workflow_id,
            status=run.status,
            started_at=run.started_at,
            completed_at=run.completed_at,
            metadata=metadata,
            **more,
        )


class AttemptView(View):
    """One attempt of a run: one execution of the state machine.

    ``started_at`` is `null` for an attempt that never started, ``ended_at`` for the current one. ``first_position`` is
    the position of its first payload. For a failed attempt, ``error`` is the reason; ``tries`` and ``waited_seconds``
    are those of the payload that failed. ``started_by`` is the key id of the caller that started or resumed the run,
    or its tenant if it has no key; ``cancelled_by`` that of the caller that cancelled it. ``correlation_id`` is the
    `X-Correlation-Id` of the call that started the attempt.
    """

    number: int
    status: Status
    started_at: str | None
    ended_at: str | None
    first_position: int
    total_payloads: int
    error: str | None = Field(default=None, exclude_if=_is_none)
    tries: int | None = Field(default=None, exclude_if=_is_none)
    waited_seconds: int | None = Field(default=None, exclude_if=_is_none)
    started_by: str | None = Field(default=None, exclude_if=_is_none)
    cancelled_by: str | None = Field(default=None, exclude_if=_is_none)
    correlation_id: str | None = Field(default=None, exclude_if=_is_none)

    @classmethod
    def of(cls, run: Run) -> AttemptView:
        """The current attempt of a run, or the last one of a run as it was. Older runs do not have its start."""
        names = ("error", "tries", "waited_seconds", "started_by", "cancelled_by", "correlation_id")
        return cls(
            number=run.attempt,
            status=run.status,
            started_at=run.started_at if run.attempt == 1 else run.attempt_started_at,
            ended_at=run.completed_at,
            first_position=run.first_position,
            total_payloads=run.total,
            **{name: getattr(run, name) for name in names},
        )


class FullRunMetadata(RunMetadata):
    """Details of a run, with its variables."""

    variables: dict[str, Any]


class RunView(RunSummary):
    """A run with all that it has produced so far, responses in order."""

    metadata: FullRunMetadata
    responses: list[ResponseView]

    @classmethod
    def of_history(cls, history: RunHistory, texts: LongTexts) -> RunView:
        """The view of a run with its history; a payload with a response counts as completed."""
        run = replace(history.run, usage=history.usage)
        metadata = FullRunMetadata.of(run, len(history.responses), variables=dict(history.variables))
        listed = _without_long_references(history.responses)
        bare = [ResponseView.of(_without_texts(response)) for response in listed]
        view = cls.with_metadata(history.run, metadata, responses=bare)
        view.responses = [
            ResponseView.of(response) for response in fit_responses(listed, texts, remaining_budget(view))
        ]
        return view


def listed_responses(page: Page[Response], cursor: str | None, texts: LongTexts) -> Listed[PromptedResponseView]:
    """A page of responses with their prompts, with texts cut to what one response can contain."""
    without = [_without_texts(response) for response in page.items]
    bare = Listed(items=[PromptedResponseView.of(response) for response in without], cursor=cursor)
    items = [
        PromptedResponseView.of(response)
        for response in fit_responses(_without_long_references(page.items), texts, remaining_budget(bare))
    ]
    return Listed(items=items, cursor=cursor)


def fit_responses(responses: Sequence[Response], texts: LongTexts, budget: int = MAX_BODY_BYTES) -> list[Response]:
    """The responses with as much of their contents and prompts as the budget allows, the smallest texts first."""
    contents = [_text(r.content, r.content_key, r.content_bytes) for r in responses]
    prompts = [_text(r.prompt or "", r.prompt_key, r.prompt_bytes) for r in responses]
    fitting = fit_texts([*contents, *prompts], budget, texts)
    return [
        replace(
            response,
            content=content,
            content_truncated=content_cut or (response.content_truncated and response.content_key is None),
            prompt=None if response.prompt is None else prompt,
            prompt_truncated=prompt_cut,
        )
        for response, (content, content_cut), (prompt, prompt_cut) in zip(
            responses, fitting[: len(responses)], fitting[len(responses) :], strict=True
        )
    ]


def _text(beginning: str, key: str | None, size: int | None) -> str | LongText:
    """The text, or its beginning and key. Older responses have no size; their long texts are included last."""
    if key is None:
        return beginning
    return LongText(beginning=beginning, size=size or MAX_BODY_BYTES, key=key)


def _without_long_references(responses: Iterable[Response]) -> list[Response]:
    """The responses for a list, without long lists of references, which would displace the texts of the others."""
    return [
        response if len(json.dumps(response.metadata)) <= MAX_LISTED_METADATA_BYTES else _without_references(response)
        for response in responses
    ]


def _without_references(response: Response) -> Response:
    metadata = {name: value for name, value in response.metadata.items() if name != "references"}
    return replace(response, metadata=metadata | {"references_truncated": True})


def _without_texts(response: Response) -> Response:
    return replace(response, content="", prompt=None if response.prompt is None else "")
