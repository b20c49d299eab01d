"""Runs: their state, the transitions of their status, and their variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from baton.domain.errors import Invalid
from baton.domain.llm.tokens import TokenUsage
from baton.domain.runs.plan import Plan, completed_before, sequence
from baton.domain.runs.responses import NextPayload, Response

Status = Literal["created", "running", "completed", "failed", "cancelled"]
Variables = Mapping[str, Any]
OnMissing = Literal["keep", "empty", "fail"]
"""How unresolved references are handled: left verbatim, replaced by nothing, or the run fails."""

NO_VARIABLES: Variables = MappingProxyType({})

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


MAX_VARIABLES_BYTES = 300_000
"""All variables of a run are stored in one DynamoDB item, which has at most 400 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """What may be chosen when a run is started, and the call that starts it: its correlation id, and its caller.

    ``rerun_of`` is the run that this one repeats. By default, ``on_missing`` is that of this run, or ``keep``.
    """

    on_missing: OnMissing | None = None
    correlation_id: str | None = None
    started_by: str | None = None
    rerun_of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotVersion:
    """Snapshots that a resume has compiled: those from ``first_position`` on have this version."""

    first_position: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a workflow; small, since it is written at every step.

    ``position`` and the ``payload_*`` fields are those of the payload in progress; ``completed`` counts the payloads
    that have answered. If ``started_with_response``, the payload in progress started when the response before it was
    stored, in one write. ``usage`` has the tokens of all responses; older runs do not count them. ``attempt`` starts at
    1 and is incremented by each resume; ``first_position`` is where the current attempt started. The ids of the
    responses are consecutive from ``first_response_id`` on. ``expires_at`` is in epoch seconds. If a payload failed,
    ``tries`` counts the calls made for it, and ``waited_seconds`` is the time waited between them.
    ``correlation_id`` is that of the HTTP call that started the current attempt, ``started_by`` its caller, and
    ``cancelled_by`` the caller that cancelled it. ``started_at`` is the start of the first attempt, and
    ``attempt_started_at`` that of a later one. ``rerun_of`` is the run that this one repeats.

    ``definition_attempt`` is the attempt for which the definition was compiled last. Then ``snapshot_versions`` has the
    positions from which the snapshots are newer than those of the start, in ascending order.
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
    started_with_response: bool = False
    usage: TokenUsage | None = None
    error: str | None = None
    tries: int | None = None
    waited_seconds: int | None = None
    correlation_id: str | None = None
    attempt_started_at: str | None = None
    started_by: str | None = None
    cancelled_by: str | None = None
    rerun_of: int | None = None
    definition_attempt: int = 1
    snapshot_versions: tuple[SnapshotVersion, ...] = ()

    def snapshot_version(self, position: int) -> str | None:
        """The version of the snapshot at this position; ``None`` for that of the start."""
        newer = [each.version for each in self.snapshot_versions if each.first_position <= position]
        return newer[-1] if newer else None

    @property
    def plan(self) -> Plan:
        """Which payloads must have answered before which."""
        return sequence(self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """A run with its variables and all responses so far, in order.

    ``attempts`` are the attempts that have ended and were followed by another one: the run as it was at the end of
    each. Those of an older version of Baton are not known.
    """

    run: Run
    variables: Variables
    responses: tuple[Response, ...]
    attempts: tuple[Run, ...] = ()

    @property
    def usage(self) -> TokenUsage:
        """The tokens of all responses. An older run does not count them."""
        return self.run.usage or sum((response.usage for response in self.responses), TokenUsage())


def after_response(run: Run, response: Response) -> Run:
    """The run when this response is stored: its tokens are counted, and the payload after it, if any, has started."""
    counted = replace(
        run,
        completed=completed_before(response.position) + 1,
        usage=(run.usage or TokenUsage()) + response.usage,
    )
    following = response.following
    if following is None:
        return counted
    return replace(
        counted,
        position=following.position,
        payload_id=following.payload_id,
        payload_name=following.payload_name,
        payload_started_at=response.created_at,
        started_with_response=True,
    )


def payload_started(run: Run, payload: NextPayload, now: str) -> Run:
    """The run when a payload starts by itself, not with the response before it."""
    return replace(
        run,
        position=payload.position,
        completed=completed_before(payload.position),
        payload_id=payload.payload_id,
        payload_name=payload.payload_name,
        payload_started_at=now,
        started_with_response=False,
    )


def execution_name(tenant: str, run_id: int, attempt: int) -> str:
    """The name of the state machine's execution of an attempt; it is unique, so an attempt is executed at most once."""
    return f"{tenant}-{run_id}-{attempt}"


def cancelled(run: Run, now: str, by: str | None = None) -> Run:
    """The run after a client has cancelled it."""
    return replace(_changed_to(run, "cancelled"), completed_at=now, cancelled_by=by)


def failed(run: Run, error: str, now: str) -> Run:
    """The run after a failure; ``error`` is the reason, for the user to act on."""
    return replace(_changed_to(run, "failed"), error=error, completed_at=now)


def resumed(run: Run, position: int, now: str, correlation_id: str | None = None, started_by: str | None = None) -> Run:
    """The run at the start of its next attempt, from this position; ``started_at`` is set if it never was.

    The payload there is known if it is the one that was in progress. The state machine records its start.
    """
    is_known = position == run.position
    return replace(
        _changed_to(run, "running"),
        attempt=run.attempt + 1,
        position=position,
        first_position=position,
        completed=completed_before(position),
        started_at=run.started_at or now,
        attempt_started_at=now,
        payload_id=run.payload_id if is_known else None,
        payload_name=run.payload_name if is_known else None,
        payload_started_at=None,
        started_with_response=False,
        completed_at=None,
        error=None,
        tries=None,
        waited_seconds=None,
        correlation_id=correlation_id,
        started_by=started_by,
        cancelled_by=None,
    )


def redefined(run: Run, total: int, payload: NextPayload | None) -> Run:
    """The resumed run with the newest definition; ``payload`` is the first of the attempt, if any is left."""
    return replace(
        run,
        total=total,
        payload_id=payload.payload_id if payload else None,
        payload_name=payload.payload_name if payload else None,
        definition_attempt=run.attempt,
    )


def with_snapshots(run: Run, version: str) -> Run:
    """The resumed run with this version of the snapshots from its first position on."""
    earlier = [each for each in run.snapshot_versions if each.first_position < run.first_position]
    newest = SnapshotVersion(first_position=run.first_position, version=version)
    return replace(run, snapshot_versions=(*earlier, newest))


def _changed_to(run: Run, status: Status) -> Run:
    """:raises ValueError: if no run of its status may get the new one."""
    if status not in TRANSITIONS[run.status]:
        raise ValueError(f"A run that is {run.status} can't become {status}.")
    return replace(run, status=status)


def snapshot_advice(run: Run) -> str:
    """What to add to the error of a resumed run, whose definition may have been corrected in the catalog since."""
    if run.attempt == run.definition_attempt:
        return ""
    compiled = "the run was started" if run.definition_attempt == 1 else f"attempt {run.definition_attempt} started"
    return (
        f" Attempt {run.attempt} used the definition as it was when {compiled}; to use the newest, "
        'resume the run with "definition": "latest".'
    )


def check_variables(variables: Variables) -> None:
    """:raises Invalid: if the variables are too large to be stored."""
    size = len(json.dumps(variables, ensure_ascii=False).encode())
    if size > MAX_VARIABLES_BYTES:
        raise Invalid("variables", f"{size:,} bytes as JSON; at most {MAX_VARIABLES_BYTES:,} are stored.")
