"""Steps: the input of ``execute_payload`` in the state machine, and its output, which decides the next state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from baton.domain.errors import (
    LlmError,
    LlmServerError,
    LlmThrottled,
    LlmTimeout,
    LlmUnreachable,
)
from baton.domain.llm.slots import Ticket
from baton.domain.runs.plan import Plan, next_position
from baton.domain.runs.run import Run
from baton.domain.runs.snapshots import PayloadSnapshot

Outcome = Literal["continue", "wait", "completed", "failed"]
Jitter = Callable[[float], float]
"""From an upper bound in seconds to a random wait below it; an argument, so that tests can choose it."""

MAX_ERROR_CHARACTERS = 500
"""Limits the size of the run item, and of the state, which may have 256 KiB in Step Functions.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

CALLS_BY_ERROR: dict[type[LlmError], int] = {
    LlmThrottled: 5,
    LlmUnreachable: 5,
    LlmServerError: 3,
    LlmTimeout: 3,
}
"""How many calls a payload may make in total when they fail with this error. Any other error is not retried."""

FIRST_WAIT_SECONDS = 2
MAX_WAIT_SECONDS = 60
MAX_RETRY_AFTER_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The state of one execution between two payloads: ids, counters, and why the last call failed.

    ``fallback`` is the index of the instance that is called: 0 is the payload's own. ``tries`` counts the failed calls
    of this position to that instance, ``earlier_tries`` those to the instances before it. ``reserved`` is whether the
    instance's requests and tokens are reserved for the call already; ``ticket`` is its place in the instance's queue.
    ``correlation_id`` is that of the HTTP call that started the attempt.
    """

    tenant: str
    run_id: int
    attempt: int
    position: int
    tries: int = 0
    earlier_tries: int = 0
    waited_seconds: int = 0
    fallback: int = 0
    reserved: bool = False
    ticket: Ticket | None = None
    cause: str | None = None
    correlation_id: str | None = None
    outcome: Outcome = "continue"
    wait_seconds: int = 0
    error: str | None = None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Step:
        """The state as the state machine sends it, without the decision of the last step.

        Fields that were added since may be missing in an execution that started before the last deployment.
        """
        return cls(
            tenant=event["tenant"],
            run_id=int(event["run_id"]),
            attempt=int(event["attempt"]),
            position=int(event["position"]),
            tries=int(event["tries"]),
            earlier_tries=int(event.get("earlier_tries", 0)),
            waited_seconds=int(event.get("waited_seconds", 0)),
            fallback=int(event.get("fallback", 0)),
            reserved=bool(event.get("reserved", False)),
            ticket=None if event.get("ticket") is None else Ticket(**event["ticket"]),
            cause=event.get("cause"),
            correlation_id=event.get("correlation_id"),
        )

    @property
    def all_tries(self) -> int:
        """The failed calls of this position, to all instances."""
        return self.earlier_tries + self.tries

    def to_event(self) -> dict[str, Any]:
        """The state as the state machine reads it: JSON values."""
        return asdict(self)

    def answered(self, plan: Plan) -> Step:
        """The response of this position is stored: continue with the next position that may start, or finish."""
        position = next_position(plan, {self.position})
        following = Step(
            tenant=self.tenant,
            run_id=self.run_id,
            attempt=self.attempt,
            position=position,
            correlation_id=self.correlation_id,
        )
        return following if position in plan else following.finished()

    def finished(self) -> Step:
        """Every payload has answered."""
        return replace(self, outcome="completed")

    def failed(self, detail: str, advice: str = "") -> Step:
        """This execution fails. The detail may be shortened; the advice is not."""
        return replace(self, outcome="failed", error=_shorten(detail, MAX_ERROR_CHARACTERS - len(advice)) + advice)

    def waiting(self, seconds: int, *, reserved: bool = False, ticket: Ticket | None = None) -> Step:
        """Call the LLM, or retry, after this many seconds."""
        waited = self.waited_seconds + seconds
        return replace(
            self, outcome="wait", wait_seconds=seconds, waited_seconds=waited, reserved=reserved, ticket=ticket
        )

    def after_error(self, error: LlmError, jitter: Jitter) -> Step:
        """Wait and retry, or fail if an error of this kind has no tries left."""
        counted = replace(self, tries=self.tries + error.calls, reserved=False, ticket=None)
        if counted.tries >= CALLS_BY_ERROR.get(type(error), 1):
            return counted.failed(str(error) + (f" Given up after {counted.tries} calls." if counted.tries > 1 else ""))
        wait = _wait_seconds(error, self.tries, jitter)
        if wait > MAX_RETRY_AFTER_SECONDS:
            too_long = f" It requests a wait of {wait:,} s; a run waits at most {MAX_RETRY_AFTER_SECONDS:,} s."
            return counted.failed(str(error) + too_long)
        return replace(counted, cause=_shorten(str(error))).waiting(wait)

    def fallen_back(self) -> Step:
        """Continue with the next fallback instance."""
        return replace(
            self,
            outcome="continue",
            fallback=self.fallback + 1,
            earlier_tries=self.all_tries,
            tries=0,
            cause=self.error,
            error=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecords:
    """What a payload reads before it starts; ``None`` where nothing is stored.

    ``answered`` is whether the payload has a response already. Whether those before it have, is in the run: it is not
    read from their responses, which may be large.
    """

    run: Run | None
    snapshot: PayloadSnapshot | None
    answered: bool = False


def _wait_seconds(error: LlmError, tries: int, jitter: Jitter) -> int:
    """The provider's ``Retry-After``, else exponential back-off with full jitter; in whole seconds, at least one."""
    hint = error.retry_after if isinstance(error, LlmThrottled) else None
    if hint is not None and math.isfinite(hint) and hint > 0:
        return math.ceil(hint)
    return max(1, math.ceil(jitter(min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**tries))))


def _shorten(detail: str, max_characters: int = MAX_ERROR_CHARACTERS) -> str:
    return detail if len(detail) <= max_characters else f"{detail[: max_characters - 1]}…"
