"""The limits of an LLM instance, shared by all runs.

Requests and tokens are token buckets. A bucket is stored as one time: when it would be full again without further
calls (the generic cell rate algorithm, ITU-T I.371). A call that finds too little in a bucket reserves from the future
refill and waits until that time. So calls are admitted in order of arrival, and each waits at most once.

A bucket holds a twentieth of the limit per minute. It refills slowly enough that no period of 60 seconds has more calls
than the limit, even if some calls start a little later than admitted.

Slots enforce ``max_concurrency`` in order of arrival. A slot expires, because its call may have been cancelled or may
have crashed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from baton.domain.llm.endpoints import LlmLimits

MINUTE_MS = 60_000
MAX_START_DELAY_MS = 5_000
"""How much later than admitted a call may start: waits are whole seconds, and a function may start cold."""

REFILL_MS = MINUTE_MS + MAX_START_DELAY_MS
"""The time in which the limit per minute is refilled. The delay is added because one call may start late and the next
one on time."""

BURST_DIVISOR = 20
"""A bucket holds the limit per minute divided by this."""

MIN_POLL_MS, MAX_POLL_MS = 1_000, 60_000
"""Bounds of the wait for a slot. Waiting calls poll, because it is not known when a slot becomes free."""

MAX_SLOTS = 300
"""All slots are written with each admission. With so many, a further call waits without a place in the queue."""

SLOT_GRACE_MS = 60_000
"""Added to the lifetime of a slot, because a wait may end late when the function starts cold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencySlot:
    """A place under ``max_concurrency``: a call that runs, or that waits in the queue."""

    id: str
    expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """How far the limits of an instance are used; times are in epoch milliseconds.

    ``requests_full_ms`` and ``tokens_full_ms`` are when the buckets are full again. ``blocked_until_ms`` is until when
    the provider accepts no calls. ``last_call_ms`` is the duration of the last call. ``version`` counts the writes.
    """

    version: int = 0
    requests_full_ms: int = 0
    tokens_full_ms: int = 0
    blocked_until_ms: int = 0
    last_call_ms: int = MIN_POLL_MS
    slots: tuple[ConcurrencySlot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRequest:
    """A call to be admitted: its estimated tokens, and ``max_call_ms``, the longest that it can last.

    ``reserved``: an earlier request for this call has already reserved its share of the buckets.
    """

    id: str
    tokens: int
    max_call_ms: int
    reserved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """When the call may start: now, or after ``wait_ms``. ``reserved`` is the value for the call's next request."""

    state: LimitState
    wait_ms: int
    reserved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a finished call used. ``tokens`` is ``None`` if unknown; ``blocked_until_ms`` comes from the provider."""

    call_ms: int
    tokens: int | None = None
    blocked_until_ms: int = 0


def acquire(state: LimitState, limits: LlmLimits, request: LimitRequest, now_ms: int) -> Admission:
    """Admit the call or make it wait. A call that waits for a slot does not reserve requests or tokens yet."""
    current = _without_expired(state, now_ms)
    if limits.max_concurrency is not None:
        ahead = _index(current, request.id) - limits.max_concurrency + 1
        if ahead > 0:
            wait = _wait_for_slot(ahead, current.last_call_ms, limits.max_concurrency)
            queued = _with_slot(current, request.id, now_ms + wait + SLOT_GRACE_MS)
            state = queued if len(queued.slots) <= MAX_SLOTS else state
            return Admission(state=state, wait_ms=wait, reserved=request.reserved)
    start, reserved = (now_ms, current) if request.reserved else _reserve(current, limits, request, now_ms)
    if limits.max_concurrency is not None:
        reserved = _with_slot(reserved, request.id, start + request.max_call_ms + SLOT_GRACE_MS)
    return Admission(state=reserved, wait_ms=start - now_ms, reserved=True)


def release(state: LimitState, limits: LlmLimits, request: LimitRequest, usage: Usage) -> LimitState:
    """The state after the call: its slot is free, and its estimated tokens are replaced by those it used."""
    tokens_full_ms = state.tokens_full_ms
    if limits.tokens_per_minute is not None and usage.tokens is not None:
        tokens_full_ms += _tokens_cost(limits.tokens_per_minute, usage.tokens)
        tokens_full_ms -= _tokens_cost(limits.tokens_per_minute, request.tokens)
    return replace(
        state,
        tokens_full_ms=tokens_full_ms,
        blocked_until_ms=max(state.blocked_until_ms, usage.blocked_until_ms),
        last_call_ms=state.last_call_ms if limits.max_concurrency is None else usage.call_ms,
        slots=tuple(slot for slot in state.slots if slot.id != request.id),
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


def _wait_for_slot(ahead: int, last_call_ms: int, max_concurrency: int) -> int:
    return min(MAX_POLL_MS, max(MIN_POLL_MS, math.ceil(ahead * last_call_ms / max_concurrency)))


def _without_expired(state: LimitState, now_ms: int) -> LimitState:
    return replace(state, slots=tuple(slot for slot in state.slots if slot.expires_ms > now_ms))


def _index(state: LimitState, id_: str) -> int:
    """The position of the call in the queue; the next free position if it has none."""
    return next((index for index, slot in enumerate(state.slots) if slot.id == id_), len(state.slots))


def _with_slot(state: LimitState, id_: str, expires_ms: int) -> LimitState:
    """With a new expiry for the call's slot, or with a slot at the end of the queue."""
    index = _index(state, id_)
    slot = ConcurrencySlot(id=id_, expires_ms=expires_ms)
    return replace(state, slots=(*state.slots[:index], slot, *state.slots[index + 1 :]))
