"""The plan of a run: the order of its payloads.

A plan has the positions of all payloads of a run, each with its direct predecessors. Today every run is a
sequence; a branching plan changes this module and what compiles a plan, and nothing else. A payload answers only after
all payloads before it, so if a position is done, all positions before it are done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

type Plan = Mapping[int, tuple[int, ...]]
"""The direct predecessors of each position."""


def predecessors(position: int) -> tuple[int, ...]:
    """The positions directly before this one, in a sequence."""
    return (position - 1,) if position else ()


def sequence(total: int) -> Plan:
    """The plan of a run that executes its payloads one after the other."""
    return {position: predecessors(position) for position in range(total)}


def ready(plan: Plan, done: Collection[int]) -> tuple[int, ...]:
    """The positions that may start: not done themselves, and everything before them is. In ascending order."""
    finished = with_predecessors(plan, done)
    return tuple(
        position
        for position, before in sorted(plan.items())
        if position not in finished and finished.issuperset(before)
    )


def next_position(plan: Plan, done: Collection[int]) -> int:
    """The first position that may start, or the number of payloads if all are done."""
    return next(iter(ready(plan, done)), len(plan))


def completed_before(position: int) -> int:
    """How many payloads have answered when the one at this position starts."""
    return len(with_predecessors(sequence(position), predecessors(position)))


def with_predecessors(plan: Plan, positions: Collection[int]) -> frozenset[int]:
    """These positions and all before them, directly or not."""
    found: set[int] = set()
    pending = [position for position in positions if position in plan]
    while pending:
        position = pending.pop()
        if position not in found:
            found.add(position)
            pending.extend(plan[position])
    return frozenset(found)
