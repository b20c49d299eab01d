"""Lists in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Page[T]:
    """Some of a list; ``next_after`` is the id to go on after, ``None`` at the end."""

    items: Sequence[T]
    next_after: int | None = None
