"""Pages of lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Page[T]:
    """One page; ``next_after`` is the id after which the next page starts, ``None`` on the last page."""

    items: Sequence[T]
    next_after: int | None = None
