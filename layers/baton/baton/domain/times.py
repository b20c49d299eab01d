"""Times as Baton writes them: ISO 8601, UTC, milliseconds, ``Z``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to do something alone for a while; in epoch seconds."""

    taken_at: int
    ends_at: int


def timestamp(moment: datetime) -> str:
    """``2026-01-31T12:00:00.000Z`` for an aware UTC moment."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def expiry(moment: datetime, keep: timedelta) -> int:
    """When a record that is kept for so long ends, in epoch seconds, as DynamoDB's TTL wants it."""
    return int((moment + keep).timestamp())
