"""Keep the limits of LLM instances: let a call through, or say when its turn comes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from baton.domain.errors import LimitsConflict, LlmOverbooked, LlmThrottled
from baton.domain.llm import limits
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS, LlmAnswer, LlmCall
from baton.domain.llm.endpoints import LlmEndpoint, LlmLimits
from baton.domain.llm.limits import Demand, LimitState, Use
from baton.domain.llm.tokens import EXPECTED_ANSWER_TOKENS, estimated_tokens
from baton.domain.runs.steps import Jitter
from baton.domain.times import expiry
from baton.usecases.clock import Clock
from baton.usecases.llm.ports import LimitStore

KEPT = timedelta(days=2)
"""How long the state of an instance stays that is not used any more."""

MAX_TRIES = 12
LONGEST_PAUSE_SECONDS = 0.2
MAX_WAIT_SECONDS = 12 * 3600
"""An execution ends after 24 h."""

WAIT_IN_A_CROWD_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long to wait until this call is asked for again; ``reserved`` is to be said then. 0 s: it may be made."""

    seconds: int = 0
    reserved: bool = False


@dataclass(slots=True)
class Taking:
    """A call that is under way; ``answer`` is what it brought."""

    answer: LlmAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRate:
    """What limiting needs; ``pause`` sleeps for some seconds, while others are first to write."""

    store: LimitStore
    clock: Clock
    jitter: Jitter
    pause: Callable[[float], None]

    def acquire(self, tenant: str, call_id: str, call: LlmCall, *, reserved: bool) -> Wait:
        """Whether the call may be made now. An instance without limits costs nothing here.

        :raises LlmOverbooked: if its turn would come too late for any run.
        """
        bounds = call.endpoint.limits
        if bounds is None or (reserved and bounds.max_concurrency is None):
            return Wait(reserved=reserved)
        for _ in range(MAX_TRIES):
            with suppress(LimitsConflict):
                return self._acquire(tenant, _demand(call_id, call, reserved=reserved), call.endpoint, bounds)
            self.pause(self.jitter(LONGEST_PAUSE_SECONDS))
        return Wait(seconds=max(1, math.ceil(self.jitter(WAIT_IN_A_CROWD_SECONDS))), reserved=reserved)

    def _acquire(self, tenant: str, demand: Demand, endpoint: LlmEndpoint, bounds: LlmLimits) -> Wait:
        state = self.store.read(tenant, endpoint.instance_id)
        turn = limits.acquire(state, bounds, demand, self._now_ms())
        seconds = math.ceil(turn.wait_ms / 1000)
        if seconds > MAX_WAIT_SECONDS:
            raise LlmOverbooked(
                f"LLM instance {endpoint.instance_name!r} has so many calls waiting for its limits that this one's "
                f"turn would come in {seconds:,} s; raise the limits, or start fewer runs."
            )
        if turn.state != state:
            self._write(tenant, endpoint, turn.state)
        return Wait(seconds=seconds, reserved=turn.reserved)

    @contextmanager
    def taking(self, tenant: str, call_id: str, call: LlmCall) -> Iterator[Taking]:
        """Around a call that was let through: however it ends, others get its place.

        What it really took of the tokens is put right; and if the provider wants no call for a while, nobody calls.
        """
        taking = Taking()
        if (bounds := call.endpoint.limits) is None:
            yield taking
            return
        began, closed_ms = self._now_ms(), 0
        try:
            yield taking
        except LlmThrottled as error:
            closed_ms = 0 if error.retry_after is None else self._now_ms() + math.ceil(error.retry_after * 1000)
            raise
        finally:
            use = Use(took_ms=self._now_ms() - began, tokens=_tokens(taking.answer), closed_ms=closed_ms)
            if bounds.max_concurrency or bounds.tokens_per_minute or closed_ms:
                self._release(tenant, call_id, call, bounds, use)

    def _release(self, tenant: str, call_id: str, call: LlmCall, bounds: LlmLimits, use: Use) -> None:
        """If others are first too often, the place ends by itself."""
        demand = _demand(call_id, call, reserved=True)
        for _ in range(MAX_TRIES):
            with suppress(LimitsConflict):
                state = self.store.read(tenant, call.endpoint.instance_id)
                self._write(tenant, call.endpoint, limits.release(state, bounds, demand, use))
                return
            self.pause(self.jitter(LONGEST_PAUSE_SECONDS))

    def _write(self, tenant: str, endpoint: LlmEndpoint, state: LimitState) -> None:
        self.store.write(tenant, endpoint.instance_id, state, expiry(self.clock(), KEPT))

    def _now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)


def _demand(call_id: str, call: LlmCall, *, reserved: bool) -> Demand:
    """An answer in JSON may be asked for twice, in the time of the longest call at most."""
    asked = estimated_tokens(len(call.prompt) + len(call.settings.system or ""))
    answered = call.settings.max_tokens or EXPECTED_ANSWER_TOKENS
    calls = 1 if call.settings.response_format in (None, "text") else 2
    longest = min(MAX_TIMEOUT_SECONDS, calls * call.timeout_seconds)
    return Demand(id=call_id, tokens=asked + answered, longest_ms=math.ceil(longest * 1000), reserved=reserved)


def _tokens(answer: LlmAnswer | None) -> int | None:
    if answer is None or answer.prompt_tokens is None or answer.completion_tokens is None:
        return None
    return answer.prompt_tokens + answer.completion_tokens
