"""Times: ISO 8601, UTC, milliseconds, ``Z``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An exclusive right with a time limit; times are in epoch seconds."""

    taken_at: int
    ends_at: int


def timestamp(moment: datetime) -> str:
    """``2026-01-31T12:00:00.000Z`` for an aware UTC moment."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def epoch_ms(text: str) -> int:
    """The inverse of :func:`timestamp`, in milliseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def expiry(moment: datetime, lifetime: timedelta) -> int:
    """When a record with this lifetime expires, in epoch seconds as DynamoDB's TTL requires."""
    return int((moment + lifetime).timestamp())
