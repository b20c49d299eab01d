"""The limits of an LLM instance, shared by all runs.

Requests and tokens are token buckets. A bucket is stored as one time: when it would be full again without further
calls (the generic cell rate algorithm, ITU-T I.371). A call that finds too little in a bucket reserves from the future
refill and waits until that time. So calls are admitted in order of arrival, and each waits at most once.

A bucket holds a twentieth of the limit per minute. It refills slowly enough that no period of 60 seconds has more calls
than the limit, even if some calls start a little later than admitted.

Slots enforce ``max_concurrency``, about in order of arrival (:mod:`baton.domain.llm.slots`). A call first gets a slot,
then its share of the buckets, and holds the slot while it waits for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from baton.domain.llm import slots
from baton.domain.llm.endpoints import LlmLimits
from baton.domain.llm.slots import MINUTE_MS, SlotQueue, Ticket

MAX_START_DELAY_MS = 5_000
"""How much later than admitted a call may start: waits are whole seconds, and a function may start cold."""

REFILL_MS = MINUTE_MS + MAX_START_DELAY_MS
"""The time in which the limit per minute is refilled. The delay is added because one call may start late and the next
one on time."""

BURST_DIVISOR = 20
"""A bucket holds the limit per minute divided by this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """How far the limits of an instance are used; times are in epoch milliseconds.

    ``requests_full_ms`` and ``tokens_full_ms`` are when the buckets are full again. ``blocked_until_ms`` is until when
    the provider accepts no calls. ``version`` counts the writes.
    """

    version: int = 0
    requests_full_ms: int = 0
    tokens_full_ms: int = 0
    blocked_until_ms: int = 0
    slots: SlotQueue = field(default_factory=SlotQueue)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRequest:
    """A call to be admitted: its estimated tokens, and ``max_call_ms``, the longest that it can last.

    ``reserved``: an earlier request for this call has already reserved its share of the buckets. ``ticket``: the call
    has a place in the queue.
    """

    tokens: int
    max_call_ms: int
    reserved: bool = False
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """When the call may start: now, or after ``wait_ms``. ``reserved`` and ``ticket`` are for its next request."""

    state: LimitState
    wait_ms: int
    reserved: bool
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a finished call used. ``tokens`` is ``None`` if unknown; ``blocked_until_ms`` comes from the provider.

    ``lease`` is that of the call's slot; ``None`` if it had none.
    """

    call_ms: int
    tokens: int | None = None
    blocked_until_ms: int = 0
    lease: int | None = None


def acquire(state: LimitState, limits: LlmLimits, request: LimitRequest, now_ms: int) -> Admission:
    """Admit the call or make it wait. A call that waits for a slot does not reserve requests or tokens yet."""
    start, reserved = (now_ms, state) if request.reserved else _reserve(state, limits, request, now_ms)
    if limits.max_concurrency is None:
        return Admission(state=reserved, wait_ms=start - now_ms, reserved=True)
    turn = None if request.ticket is None else request.ticket.turn
    queue = slots.left(slots.without_expired(state.slots, now_ms), request.ticket)
    ahead = slots.calls_ahead(queue, turn)
    if slots.may_start(queue, ahead, limits.max_concurrency, now_ms):
        lease = slots.lease(start + request.max_call_ms, now_ms)
        queue = slots.seen_at(slots.with_started(queue, turn, lease), limits.max_concurrency, now_ms)
        ticket = Ticket(lease=lease, slot=state.version)
        return Admission(state=replace(reserved, slots=queue), wait_ms=start - now_ms, reserved=True, ticket=ticket)
    wait = slots.poll_after_ms(queue, ahead, limits.max_concurrency, start - now_ms)
    queue = slots.seen_at(queue, limits.max_concurrency, now_ms)
    queue, ticket = slots.with_waiting(queue, turn, slots.lease(now_ms + wait, now_ms))
    return Admission(state=replace(state, slots=queue), wait_ms=wait, reserved=request.reserved, ticket=ticket)


def still_holds_slot(ticket: Ticket, request: LimitRequest, now_ms: int) -> bool:
    """Whether the slot of this ticket lasts until the call has ended, if it starts now."""
    return slots.is_alive(ticket.lease, now_ms + request.max_call_ms)


def release(state: LimitState, limits: LlmLimits, request: LimitRequest, usage: Usage, now_ms: int) -> LimitState:
    """The state after the call: its slot is free, and its estimated tokens are replaced by those it used."""
    tokens_full_ms, queue = state.tokens_full_ms, state.slots
    if limits.tokens_per_minute is not None and usage.tokens is not None:
        tokens_full_ms += _tokens_cost(limits.tokens_per_minute, usage.tokens)
        tokens_full_ms -= _tokens_cost(limits.tokens_per_minute, request.tokens)
    if limits.max_concurrency is not None and usage.lease is not None:
        queue = slots.seen_at(queue, limits.max_concurrency, now_ms)
        queue = slots.with_ended(queue, usage.lease, usage.call_ms, now_ms)
    return replace(
        state,
        tokens_full_ms=tokens_full_ms,
        blocked_until_ms=max(state.blocked_until_ms, usage.blocked_until_ms),
        slots=queue,
    )


def _reserve(state: LimitState, limits: LlmLimits, request: LimitRequest, now_ms: int) -> tuple[int, LimitState]:
    """When both buckets contain enough, and the state after this call's share is taken from them."""
    start = max(now_ms, state.blocked_until_ms)
    requests = tokens = 0
    if (per_minute := limits.requests_per_minute) is not None:
        requests = _requests_cost(per_minute, 1)
        burst = _requests_cost(per_minute, _burst(per_minute))
        start = max(start, _available_at(state.requests_full_ms, requests, burst))
    if (per_minute := limits.tokens_per_minute) is not None:
        tokens = _tokens_cost(per_minute, request.tokens)
        burst = _tokens_cost(per_minute, _burst(per_minute))
        start = max(start, _available_at(state.tokens_full_ms, tokens, burst))
    return start, replace(
        state,
        requests_full_ms=max(state.requests_full_ms, start) + requests if requests else state.requests_full_ms,
        tokens_full_ms=max(state.tokens_full_ms, start) + tokens if tokens else state.tokens_full_ms,
    )


def _available_at(full_ms: int, cost_ms: int, burst_ms: int) -> int:
    """When a bucket contains the cost; when it is full, if the cost is more than it can hold."""
    return full_ms + min(cost_ms, burst_ms) - burst_ms


def _burst(per_minute: int) -> int:
    return max(1, per_minute // BURST_DIVISOR)


def _requests_cost(per_minute: int, requests: int) -> int:
    """The time to refill them. The burst is subtracted, because a full bucket adds it to what a minute refills; the
    request that empties the bucket is itself part of it, hence the 1."""
    return math.ceil(requests * REFILL_MS / (per_minute - _burst(per_minute) + 1))


def _tokens_cost(per_minute: int, tokens: int) -> int:
    return math.ceil(tokens * REFILL_MS / max(1, per_minute - _burst(per_minute)))
