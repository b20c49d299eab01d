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
    """The state of one execution between two payloads: ids and counters only.

    ``tries`` counts the LLM calls of this position that failed so far.
    """

    tenant: str
    run_id: int
    attempt: int
    position: int
    tries: int = 0
    outcome: Outcome = "continue"
    wait_seconds: int = 0
    error: str | None = None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Step:
        """Read the state as the state machine hands it over; what the last step decided is not carried on."""
        return cls(
            tenant=event["tenant"],
            run_id=int(event["run_id"]),
            attempt=int(event["attempt"]),
            position=int(event["position"]),
            tries=int(event["tries"]),
        )

    def to_event(self) -> dict[str, Any]:
        """The state as the state machine reads it."""
        return asdict(self)

    def answered(self, total: int) -> Step:
        """The response of this position is stored: go on with the next, or end."""
        following = replace(self, position=self.position + 1, tries=0)
        return following.finished() if following.position >= total else following

    def finished(self) -> Step:
        """Every payload has answered."""
        return replace(self, outcome="completed")

    def failed(self, sentence: str) -> Step:
        """This execution can't go on, for a reason that a person can act on."""
        return replace(self, outcome="failed", error=_shorten(sentence))

    def after(self, error: LlmError, payload_name: str, jitter: Jitter) -> Step:
        """Wait and call again, or give up, as the kind of failure allows."""
        calls = self.tries + error.calls
        where = f"Payload {payload_name!r} (position {self.position}): "
        if calls >= CALLS_BY_ERROR.get(type(error), 1):
            return self.failed(where + str(error) + (f" Given up after {calls} calls." if calls > 1 else ""))
        wait = _wait_seconds(error, self.tries, jitter)
        if wait > MAX_RETRY_AFTER_SECONDS:
            too_long = f" It asks to wait {wait:,} s, longer than the {MAX_RETRY_AFTER_SECONDS:,} s that a run waits."
            return self.failed(where + str(error) + too_long)
        return replace(self, tries=calls, outcome="wait", wait_seconds=wait)


def _wait_seconds(error: LlmError, tries: int, jitter: Jitter) -> int:
    """The provider's own wish, else exponential back-off with full jitter; at least a second, in whole seconds."""
    if isinstance(error, LlmThrottled) and error.retry_after is not None and math.isfinite(error.retry_after):
        return max(1, math.ceil(error.retry_after))
    return max(1, math.ceil(jitter(min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**tries))))


def _shorten(sentence: str) -> str:
    if len(sentence) <= MAX_ERROR_CHARACTERS:
        return sentence
    return sentence[: MAX_ERROR_CHARACTERS - 1] + "…"
