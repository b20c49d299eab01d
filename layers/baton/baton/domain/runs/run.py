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
from baton.domain.runs.plan import Plan, completed_before, sequence

Status = Literal["created", "running", "completed", "failed", "cancelled"]
Variables = Mapping[str, Any]
OnMissing = Literal["keep", "empty", "fail"]
"""How unresolved references are handled: left verbatim, replaced by nothing, or the run fails."""

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
"""The stored length of a model's name and of a finish reason, which come from the provider."""

MAX_REFERENCES_BYTES = 100_000
"""Of one response, as JSON. A response is one DynamoDB item, and its two texts may have as many bytes each."""

MAX_VARIABLES_BYTES = 300_000
"""All variables of a run are stored in one DynamoDB item, which has at most 400 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a workflow; small, since it is written at every step.

    ``position`` and the ``payload_*`` fields are those of the payload in progress; ``completed`` counts the payloads
    before it. ``attempt`` starts at 1 and is incremented by each resume; ``first_position`` is where the current
    attempt started. The ids of the responses are consecutive from ``first_response_id`` on. ``expires_at`` is in epoch
    seconds. If a payload failed, ``tries`` counts the calls made for it, and ``waited_seconds`` is the time waited
    between them.
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

    @property
    def plan(self) -> Plan:
        """Which payloads must have answered before which."""
        return sequence(self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmTarget:
    """One of the instances that may answer a payload, and the payload's settings with its defaults.

    ``references`` are those of the ``system`` text, which is the payload's or, by default, the instance's.
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

    If ``content_truncated``, ``content`` has only the first bytes of a long answer, and the whole text is stored by
    itself under ``content_key``. ``content_bytes`` is the size of the whole text. The same holds for the prompt.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """A run with its variables and all responses so far, in order."""

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
    """A workflow with everything that it refers to, by id."""

    workflow: Workflow
    payloads: Mapping[int, Payload]
    blocks: Mapping[int, Block]
    instances: Mapping[int, LlmInstance]


def cancelled(run: Run, now: str) -> Run:
    """The run after a client has cancelled it."""
    return replace(_changed_to(run, "cancelled"), completed_at=now)


def failed(run: Run, error: str, now: str) -> Run:
    """The run after a failure; ``error`` is the reason, for the user to act on."""
    return replace(_changed_to(run, "failed"), error=error, completed_at=now)


def resumed(run: Run, position: int, now: str) -> Run:
    """The run at the start of its next attempt, from this position; ``started_at`` is set if it never was."""
    return replace(
        _changed_to(run, "running"),
        attempt=run.attempt + 1,
        position=position,
        first_position=position,
        completed=completed_before(position),
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


def snapshot_advice(run: Run) -> str:
    """What to add to the error of a resumed run, whose definition may have been corrected in the catalog since."""
    if run.attempt == 1:
        return ""
    return (
        f" Attempt {run.attempt} used the definition as it was when the run was started; to use the newest, "
        f"execute workflow {run.workflow_id} again."
    )


def check_variables(variables: Variables) -> None:
    """:raises Invalid: if the variables are too large to be stored."""
    size = len(json.dumps(variables, ensure_ascii=False).encode())
    if size > MAX_VARIABLES_BYTES:
        raise Invalid("variables", f"{size:,} bytes as JSON; at most {MAX_VARIABLES_BYTES:,} are stored.")


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
