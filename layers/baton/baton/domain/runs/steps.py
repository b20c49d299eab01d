"""Steps: what the state machine hands to a payload's function, and what it gets back to decide what comes next."""

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
from baton.domain.runs.plan import Plan, next_position

Outcome = Literal["continue", "wait", "completed", "failed"]
Jitter = Callable[[float], float]
"""From an upper bound in seconds to a random wait up to it; injected, so that tests choose."""

MAX_ERROR_CHARACTERS = 500
"""Keeps the run item small, and the state far below Step Functions' 256 KiB."""

CALLS_BY_ERROR: dict[type[LlmError], int] = {
    LlmThrottled: 5,
    LlmUnreachable: 5,
    LlmServerError: 3,
    LlmTimeout: 3,
}
"""How many calls a payload may make in all when they fail this way; an error that isn't here fails at once."""

FIRST_WAIT_SECONDS = 2
MAX_WAIT_SECONDS = 60
MAX_RETRY_AFTER_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The state of one execution between two payloads: ids, counters, and why the last call failed.

    ``tries`` counts the calls of this position that failed so far, with the instance that is asked now; which one that
    is, ``fallback`` says: 0 is the payload's own. ``earlier_tries`` are those with the instances before it.
    ``reserved`` says that the call's turn under the instance's limits was waited for.
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
    cause: str | None = None
    outcome: Outcome = "continue"
    wait_seconds: int = 0
    error: str | None = None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Step:
        """Read the state as the state machine hands it over; what the last step decided is not carried on.

        An execution that began before the last deploy may lack what has been added since.
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
            cause=event.get("cause"),
        )

    @property
    def all_tries(self) -> int:
        """The calls of this position that failed so far, whoever was asked."""
        return self.earlier_tries + self.tries

    def to_event(self) -> dict[str, Any]:
        """The state as the state machine reads it."""
        return asdict(self)

    def answered(self, plan: Plan) -> Step:
        """The response of this position is stored: continue with the next position that may start, or finish."""
        position = next_position(plan, {self.position})
        following = Step(tenant=self.tenant, run_id=self.run_id, attempt=self.attempt, position=position)
        return following if position in plan else following.finished()

    def finished(self) -> Step:
        """Every payload has answered."""
        return replace(self, outcome="completed")

    def failed(self, sentence: str, advice: str = "") -> Step:
        """This execution can't go on, for a reason that a person can act on; the advice is kept whole."""
        return replace(self, outcome="failed", error=_shorten(sentence, MAX_ERROR_CHARACTERS - len(advice)) + advice)

    def waiting(self, seconds: int, *, reserved: bool = False) -> Step:
        """The call can be made, or made again, after so long."""
        waited = self.waited_seconds + seconds
        return replace(self, outcome="wait", wait_seconds=seconds, waited_seconds=waited, reserved=reserved)

    def after(self, error: LlmError, jitter: Jitter) -> Step:
        """Wait and call again, or give the instance up, as the kind of failure allows."""
        counted = replace(self, tries=self.tries + error.calls, reserved=False)
        if counted.tries >= CALLS_BY_ERROR.get(type(error), 1):
            return counted.failed(str(error) + (f" Given up after {counted.tries} calls." if counted.tries > 1 else ""))
        wait = _wait_seconds(error, self.tries, jitter)
        if wait > MAX_RETRY_AFTER_SECONDS:
            too_long = f" It asks to wait {wait:,} s, longer than the {MAX_RETRY_AFTER_SECONDS:,} s that a run waits."
            return counted.failed(str(error) + too_long)
        return replace(counted, cause=_shorten(str(error))).waiting(wait)

    def fallen_back(self) -> Step:
        """From an instance that was given up to the one after it."""
        return replace(
            self,
            outcome="continue",
            fallback=self.fallback + 1,
            earlier_tries=self.all_tries,
            tries=0,
            cause=self.error,
            error=None,
        )


def _wait_seconds(error: LlmError, tries: int, jitter: Jitter) -> int:
    """The provider's own wish, else exponential back-off with full jitter; at least a second, in whole seconds."""
    wish = error.retry_after if isinstance(error, LlmThrottled) else None
    if wish is not None and math.isfinite(wish) and wish > 0:
        return math.ceil(wish)
    return max(1, math.ceil(jitter(min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**tries))))


def _shorten(sentence: str, most: int = MAX_ERROR_CHARACTERS) -> str:
    return sentence if len(sentence) <= most else f"{sentence[: most - 1]}…"
