"""The limits of an LLM instance, which all runs keep together.

Requests and tokens are token buckets, each told by one moment: when it would be full again if nobody took anything
(the generic cell rate algorithm, ITU-T I.371). Who finds a bucket empty takes from what is still to come, and waits
until it has: so everybody's turn comes in the order of arrival, after one wait, and nobody asks twice.

A bucket holds a twentieth of a minute's limit and is filled so slowly that no minute, whenever it begins, sees more
than the limit; not even if some calls are made a little later than their turn. Places are for ``max_concurrency``,
first come, first served. A place ends by itself, since its holder may have been cancelled or have crashed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from baton.domain.llm.endpoints import LlmLimits

MINUTE_MS = 60_000
LATE_MS = 5_000
"""A wait is in whole seconds, and a function may start cold: a call may come so much later than its turn, and the next
one in time."""

FILLED_MS = MINUTE_MS + LATE_MS
"""In this time a minute's limit is filled in."""

BURST_SHARE = 20
"""A bucket holds this part of the limit."""

MIN_WAIT_MS, MAX_WAIT_MS = 1_000, 60_000
"""Between two looks for a place: nobody knows when one comes free."""

MAX_PLACES = 300
"""All are written with every turn; who comes when there are so many looks in again, and queues up then."""

GRACE_MS = 60_000
"""What a place outlasts its time: a wait ends late when the function starts cold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A call that is under way or waits to be."""

    id: str
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """What the runs have taken from an instance's limits; moments are in epoch milliseconds.

    ``requests_ms`` and ``tokens_ms`` are when the buckets are full again. Before ``closed_ms`` the provider wants no
    call. ``took_ms`` is how long the last call took. ``version`` counts the writes.
    """

    version: int = 0
    requests_ms: int = 0
    tokens_ms: int = 0
    closed_ms: int = 0
    took_ms: int = MIN_WAIT_MS
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One call of about so many tokens, which is over after ``longest_ms`` at the latest.

    ``reserved``: requests and tokens were taken for it already, when it first asked.
    """

    id: str
    tokens: int
    longest_ms: int
    reserved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """When the call may be made: after ``wait_ms``, or now. ``reserved`` is for the demand's next time."""

    state: LimitState
    wait_ms: int
    reserved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a call took; ``tokens`` is ``None`` where that is not known. ``closed_ms``: the provider's own wish."""

    took_ms: int
    tokens: int | None = None
    closed_ms: int = 0


def acquire(state: LimitState, limits: LlmLimits, demand: Demand, now_ms: int) -> Turn:
    """A turn for the call. What has to wait for a place takes neither requests nor tokens yet."""
    there = _without_ended(state, now_ms)
    if limits.max_concurrency is not None:
        ahead = _index(there, demand.id) - limits.max_concurrency + 1
        if ahead > 0:
            wait = _wait_for_place(ahead, there.took_ms, limits.max_concurrency)
            queued = _with_place(there, demand.id, now_ms + wait + GRACE_MS)
            state = queued if len(queued.places) <= MAX_PLACES else state
            return Turn(state=state, wait_ms=wait, reserved=demand.reserved)
    start, taken = (now_ms, there) if demand.reserved else _take(there, limits, demand, now_ms)
    if limits.max_concurrency is not None:
        taken = _with_place(taken, demand.id, start + demand.longest_ms + GRACE_MS)
    return Turn(state=taken, wait_ms=start - now_ms, reserved=True)


def release(state: LimitState, limits: LlmLimits, demand: Demand, use: Use) -> LimitState:
    """The state after the call: its place is free, and what was reckoned for its tokens is put right."""
    tokens_ms = state.tokens_ms
    if limits.tokens_per_minute is not None and use.tokens is not None:
        tokens_ms += _tokens_cost(limits.tokens_per_minute, use.tokens)
        tokens_ms -= _tokens_cost(limits.tokens_per_minute, demand.tokens)
    return replace(
        state,
        tokens_ms=tokens_ms,
        closed_ms=max(state.closed_ms, use.closed_ms),
        took_ms=state.took_ms if limits.max_concurrency is None else use.took_ms,
        places=tuple(place for place in state.places if place.id != demand.id),
    )


def _take(state: LimitState, limits: LlmLimits, demand: Demand, now_ms: int) -> tuple[int, LimitState]:
    """When both buckets have enough, and the buckets after that."""
    start = max(now_ms, state.closed_ms)
    requests = tokens = 0
    if (a_minute := limits.requests_per_minute) is not None:
        requests = _requests_cost(a_minute, 1)
        start = max(start, _enough_at(state.requests_ms, requests, _requests_cost(a_minute, _burst(a_minute))))
    if (a_minute := limits.tokens_per_minute) is not None:
        tokens = _tokens_cost(a_minute, demand.tokens)
        start = max(start, _enough_at(state.tokens_ms, tokens, _tokens_cost(a_minute, _burst(a_minute))))
    return start, replace(
        state,
        requests_ms=max(state.requests_ms, start) + requests if requests else state.requests_ms,
        tokens_ms=max(state.tokens_ms, start) + tokens if tokens else state.tokens_ms,
    )


def _enough_at(full_ms: int, cost_ms: int, burst_ms: int) -> int:
    """When a bucket has what is asked for; or is full, if it is more than it can hold."""
    return full_ms + min(cost_ms, burst_ms) - burst_ms


def _burst(a_minute: int) -> int:
    return max(1, a_minute // BURST_SHARE)


def _requests_cost(a_minute: int, requests: int) -> int:
    """How long it takes to fill them in; the first of a full bucket comes on top of what a minute fills in."""
    return math.ceil(requests * FILLED_MS / (a_minute - _burst(a_minute) + 1))


def _tokens_cost(a_minute: int, tokens: int) -> int:
    return math.ceil(tokens * FILLED_MS / max(1, a_minute - _burst(a_minute)))


def _wait_for_place(ahead: int, took_ms: int, at_once: int) -> int:
    return min(MAX_WAIT_MS, max(MIN_WAIT_MS, math.ceil(ahead * took_ms / at_once)))


def _without_ended(state: LimitState, now_ms: int) -> LimitState:
    return replace(state, places=tuple(place for place in state.places if place.until_ms > now_ms))


def _index(state: LimitState, id_: str) -> int:
    """Where in the queue this is, or would be."""
    return next((index for index, place in enumerate(state.places) if place.id == id_), len(state.places))


def _with_place(state: LimitState, id_: str, until_ms: int) -> LimitState:
    """The same place with another end, or one at the end of the queue."""
    index = _index(state, id_)
    mine = Place(id=id_, until_ms=until_ms)
    return replace(state, places=(*state.places[:index], mine, *state.places[index + 1 :]))
