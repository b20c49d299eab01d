"""Runs: the snapshot that a run executes, what it has come to, and what its payloads answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Literal

from baton.domain.catalog.definitions import (
    Block,
    LlmInstance,
    Payload,
    Workflow,
)
from baton.domain.errors import Invalid
from baton.domain.llm.calls import LlmAnswer
from baton.domain.llm.endpoints import LlmEndpoint
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference

Status = Literal["created", "running", "completed", "failed", "cancelled"]
Variables = Mapping[str, Any]
OnMissing = Literal["keep", "empty", "fail"]
"""What becomes of a reference that finds nothing: it stays as written, becomes nothing, or ends the run."""

STATUSES: tuple[Status, ...] = ("created", "running", "completed", "failed", "cancelled")
FINAL_STATUSES: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    "created": frozenset({"running", "failed", "cancelled"}),
    "running": frozenset({"completed", "failed", "cancelled"}),
    "completed": frozenset(),
    "failed": frozenset({"running"}),
    "cancelled": frozenset({"running"}),
}
"""Which status may follow which. The state machine makes the transitions to ``running``, ``completed`` and ``failed``
of an execution; a final status changes only by resuming the run."""

RESUMABLE_STATUSES: frozenset[Status] = frozenset(s for s in FINAL_STATUSES if "running" in TRANSITIONS[s])

MAX_LABEL_CHARACTERS = 200
"""What is kept of a model's name and a finish reason, which a provider may write as it likes."""

MAX_REFERENCES_BYTES = 100_000
"""All of them as JSON: a response is one DynamoDB item, and the beginnings of its two texts have as many bytes each."""

MAX_VARIABLES_BYTES = 300_000
"""All variables of a run are one DynamoDB item (400 KB at most)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a workflow; small, since it is written at every step.

    ``position`` and the ``payload_*`` fields tell the payload that is under way; ``completed`` counts those before it.
    ``attempt`` starts at 1 and grows with each resume; ``first_position`` is where the present attempt began.
    The responses' ids follow on ``first_response_id``. ``expires_at`` is in epoch seconds. Of a payload that was given
    up, ``tries`` are the calls that were made for it, and ``waited_seconds`` what was waited between them.
    """

    tenant: str
    id: int
    workflow_id: int
    workflow_name: str
    status: Status
    total: int
    first_response_id: int
    created_at: str
    expires_at: int
    completed: int = 0
    position: int = 0
    attempt: int = 1
    first_position: int = 0
    on_missing: OnMissing = "keep"
    started_at: str | None = None
    completed_at: str | None = None
    payload_id: int | None = None
    payload_name: str | None = None
    payload_started_at: str | None = None
    error: str | None = None
    tries: int | None = None
    waited_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmTarget:
    """One of the instances that may answer a payload, and its settings with this one's defaults.

    ``references`` are those of its ``system`` text, which may be the payload's or the instance's own.
    """

    endpoint: LlmEndpoint
    settings: LlmSettings
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSnapshot:
    """One payload of a run, compiled: nothing that is edited later reaches it.

    ``references`` are those of the template. ``targets`` are the instances that may answer, the payload's own first and
    its fallbacks after it; each has the references of its own system text. ``after`` are the positions that must have
    answered first.
    """

    position: int
    payload_id: int
    payload_name: str
    template: str
    references: tuple[Reference, ...]
    targets: tuple[LlmTarget, ...]
    after: tuple[int, ...] = ()

    @property
    def own_target(self) -> LlmTarget:
        """The payload's own instance."""
        return self.targets[0]

    def references_with(self, target: LlmTarget) -> tuple[Reference, ...]:
        """Those of the template and of the target's system text."""
        return (*self.references, *target.references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What one payload of a run answered.

    ``content_truncated`` says that ``content`` is only its beginning, as it is of a very long answer. The whole
    of it is then kept as a text by itself, under ``content_key``. ``content_bytes`` are those of the whole. So it is
    with the prompt.
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
    content_truncated: bool = False
    content_key: str | None = None
    content_bytes: int | None = None
    prompt_truncated: bool = False
    prompt_key: str | None = None
    prompt_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialAnswer:
    """What an answer has grown by while it is being given: ``delta`` stands at ``offset``, in characters.

    An offset of 0 begins the answer, or begins it anew after a call that failed.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """A run with all that it has produced so far, responses in order."""

    run: Run
    variables: Variables
    responses: tuple[Response, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecords:
    """What a payload reads before it starts; ``None`` where nothing is stored.

    ``done`` are the positions that have answered, of this payload's own and those directly before it.
    """

    run: Run | None
    snapshot: PayloadSnapshot | None
    done: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowBundle:
    """A workflow with everything that it points to, by id."""

    workflow: Workflow
    payloads: Mapping[int, Payload]
    blocks: Mapping[int, Block]
    instances: Mapping[int, LlmInstance]


def cancelled(run: Run, now: str) -> Run:
    """The run, ended early."""
    return replace(_changed_to(run, "cancelled"), completed_at=now)


def failed(run: Run, error: str, now: str) -> Run:
    """The run, ended for a reason that a person can act on."""
    return replace(_changed_to(run, "failed"), error=error, completed_at=now)


def resumed(run: Run, position: int, now: str) -> Run:
    """The run, running again as its next attempt from this position; one that never started starts now."""
    return replace(
        _changed_to(run, "running"),
        attempt=run.attempt + 1,
        position=position,
        first_position=position,
        completed=position,
        started_at=run.started_at or now,
        payload_started_at=None,
        completed_at=None,
        error=None,
        tries=None,
        waited_seconds=None,
    )


def _changed_to(run: Run, status: Status) -> Run:
    """:raises ValueError: if no run of its status may get the new one."""
    if status not in TRANSITIONS[run.status]:
        raise ValueError(f"A run that is {run.status} can't become {status}.")
    return replace(run, status=status)


def of_the_snapshot(run: Run) -> str:
    """What a resumed run's failure has to say besides its cause, which may have been put right in the catalog since."""
    if run.attempt == 1:
        return ""
    return (
        f" Attempt {run.attempt} used the definition as it was when the run was started; to use the newest, "
        f"execute workflow {run.workflow_id} again."
    )


def check_variables(variables: Variables) -> None:
    """:raises Invalid: if the variables are too long to be kept."""
    size = len(json.dumps(variables, ensure_ascii=False).encode())
    if size > MAX_VARIABLES_BYTES:
        raise Invalid("variables", f"{size:,} bytes as JSON; at most {MAX_VARIABLES_BYTES:,} are kept.")


def answer_metadata(answer: LlmAnswer, duration_ms: int) -> dict[str, Any]:
    """How the answer came about; ``empty`` is there only where it is."""
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
    """The references of a response, as many as can be kept beside its texts; marked if that is not all of them."""
    records = [reference_record(reference) for reference in references]
    sizes = accumulate(len(json.dumps(record, ensure_ascii=False).encode()) for record in records)
    kept = [record for record, size in zip(records, sizes, strict=True) if size <= MAX_REFERENCES_BYTES]
    return {"references": kept} | ({"references_truncated": True} if len(kept) < len(records) else {})


def reference_record(reference: Reference) -> dict[str, Any]:
    """A reference as clients read it: ``{name, where, source, position?}``."""
    record: dict[str, Any] = {"name": reference.name, "where": reference.where, "source": reference.source}
    return record if reference.position is None else record | {"position": reference.position}
