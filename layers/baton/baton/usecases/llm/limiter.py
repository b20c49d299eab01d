"""Enforce the limits of LLM instances: admit a call, or return how long it has to wait."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from baton.domain.errors import LimitsConflict, LimitsUnknown, LlmThrottled, LlmWaitTooLong
from baton.domain.llm import limits
from baton.domain.llm.calls import MAX_TIMEOUT_SECONDS, LlmAnswer, LlmCall
from baton.domain.llm.endpoints import LlmEndpoint, LlmLimits
from baton.domain.llm.limits import LimitRequest, Usage
from baton.domain.llm.slots import Ticket
from baton.domain.llm.tokens import EXPECTED_ANSWER_TOKENS, estimated_tokens
from baton.domain.runs.steps import Jitter
from baton.domain.times import expiry
from baton.usecases.clock import Clock
from baton.usecases.llm.ports import LimitStore

STATE_LIFETIME = timedelta(days=2)
"""How long the state of an instance is stored after its last call."""

MAX_WRITE_ATTEMPTS = 12
MAX_RELEASE_ATTEMPTS = 40
"""More than for an admission, which can wait: a slot that is not released is in use until its lease expires."""

MAX_PAUSE_SECONDS = 0.2
MAX_WAIT_SECONDS = 12 * 3600
"""An execution ends after 24 h."""

MAX_CONFLICT_WAIT_SECONDS = 3
"""The wait after too many write conflicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long to wait before the next request for this call; 0 s: the call may start.

    Pass ``reserved`` and ``ticket`` with that request, or ``ticket`` with the call.
    """

    seconds: int = 0
    reserved: bool
    ticket: Ticket | None = None


@dataclass(slots=True)
class Slot:
    """A call in progress; the caller sets ``answer`` when it has one."""

    answer: LlmAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """Admits calls. ``sleep`` pauses for some seconds after a write conflict."""

    store: LimitStore
    clock: Clock
    jitter: Jitter
    sleep: Callable[[float], None]

    def acquire(self, tenant: str, call: LlmCall, *, reserved: bool, ticket: Ticket | None) -> Wait:
        """Whether the call may start now. An instance without limits costs no read or write.

        :raises LlmWaitTooLong: if the call would have to wait longer than a run can last.
        """
        bounds = call.endpoint.limits
        if bounds is None or (reserved and bounds.max_concurrency is None):
            return Wait(reserved=reserved)
        if ticket is not None and ticket.slot is not None:
            if self._claim(tenant, call, ticket, ticket.slot):
                return Wait(reserved=reserved, ticket=ticket)
            ticket = None
        request = _limit_request(call, reserved=reserved, ticket=ticket)
        for _ in range(MAX_WRITE_ATTEMPTS):
            with suppress(LimitsConflict):
                return self._acquire(tenant, request, call.endpoint, bounds)
            self.sleep(self.jitter(MAX_PAUSE_SECONDS))
        seconds = max(1, math.ceil(self.jitter(MAX_CONFLICT_WAIT_SECONDS)))
        return Wait(seconds=seconds, reserved=reserved, ticket=ticket)

    def _claim(self, tenant: str, call: LlmCall, ticket: Ticket, slot: int) -> bool:
        """Whether the call may use the slot that it has held during its wait. If not, its lease expires unused."""
        request = _limit_request(call)
        if not limits.still_holds_slot(ticket, request, self._now_ms()):
            return False
        return self.store.claim_slot(tenant, call.endpoint.instance_id, slot, self._expires_at())

    def _acquire(self, tenant: str, request: LimitRequest, endpoint: LlmEndpoint, bounds: LlmLimits) -> Wait:
        state = self.store.read(tenant, endpoint.instance_id)
        admission = limits.acquire(state, bounds, request, self._now_ms())
        seconds = math.ceil(admission.wait_ms / 1000)
        if seconds > MAX_WAIT_SECONDS:
            raise LlmWaitTooLong(
                f"LLM instance {endpoint.instance_name!r} has too many calls waiting for its limits: this call would "
                f"wait {seconds:,} s, the maximum is {MAX_WAIT_SECONDS:,} s. Raise the limits or start fewer runs."
            )
        if admission.state != state:
            self.store.write(tenant, endpoint.instance_id, admission.state, self._expires_at())
        return Wait(seconds=seconds, reserved=admission.reserved, ticket=admission.ticket)

    @contextmanager
    def hold_slot(self, tenant: str, call: LlmCall, ticket: Ticket | None) -> Iterator[Slot]:
        """For the duration of an admitted call; on exit, with or without an error, its slot is free again.

        The estimated tokens are then replaced by those of the answer, and a ``Retry-After`` of the provider blocks
        all calls of the instance.
        """
        slot = Slot()
        if (bounds := call.endpoint.limits) is None:
            yield slot
            return
        started_ms, blocked_until_ms = self._now_ms(), 0
        try:
            yield slot
        except LlmThrottled as error:
            retry_ms = None if error.retry_after is None else math.ceil(error.retry_after * 1000)
            blocked_until_ms = 0 if retry_ms is None else self._now_ms() + retry_ms
            raise
        finally:
            usage = Usage(
                call_ms=self._now_ms() - started_ms,
                tokens=_used_tokens(slot.answer),
                blocked_until_ms=blocked_until_ms,
                lease=None if ticket is None else ticket.lease,
            )
            if bounds.max_concurrency or bounds.tokens_per_minute or blocked_until_ms:
                self._release(tenant, call, bounds, usage)

    def _release(self, tenant: str, call: LlmCall, bounds: LlmLimits, usage: Usage) -> None:
        """After too many write conflicts, the slot is left to expire.

        If it is not known whether a write was stored, it counts as stored: a second one could free another call's slot.
        """
        request, instance_id = _limit_request(call), call.endpoint.instance_id
        for _ in range(MAX_RELEASE_ATTEMPTS):
            try:
                state = limits.release(self.store.read(tenant, instance_id), bounds, request, usage, self._now_ms())
                self.store.write(tenant, instance_id, state, self._expires_at())
            except LimitsUnknown:
                return
            except LimitsConflict:
                self.sleep(self.jitter(MAX_PAUSE_SECONDS))
            else:
                return

    def _expires_at(self) -> int:
        return expiry(self.clock(), STATE_LIFETIME)

    def _now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)


def _limit_request(call: LlmCall, *, reserved: bool = True, ticket: Ticket | None = None) -> LimitRequest:
    """A JSON answer may need a second call; both together last no longer than the longest single call."""
    prompt_tokens = estimated_tokens(len(call.prompt) + len(call.settings.system or ""))
    answer_tokens = call.settings.max_tokens or EXPECTED_ANSWER_TOKENS
    calls = 1 if call.settings.response_format in (None, "text") else 2
    max_call_ms = math.ceil(min(MAX_TIMEOUT_SECONDS, calls * call.timeout_seconds) * 1000)
    return LimitRequest(tokens=prompt_tokens + answer_tokens, max_call_ms=max_call_ms, reserved=reserved, ticket=ticket)


def _used_tokens(answer: LlmAnswer | None) -> int | None:
    if answer is None or answer.prompt_tokens is None or answer.completion_tokens is None:
        return None
    return answer.prompt_tokens + answer.completion_tokens
