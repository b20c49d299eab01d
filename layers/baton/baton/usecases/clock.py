"""The wall clock, as an argument."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Returns the current time."""

    def __call__(self) -> datetime:
        """The current time, as an aware datetime in UTC."""
