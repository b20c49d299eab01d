"""Metrics, as a port: an adapter writes them, and a fake records them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from baton.domain.metrics import Metric


class Metrics(Protocol):
    """Receives metrics; adding them never fails and calls no service."""

    def add(self, metrics: Iterable[Metric]) -> None:
        """Add values; each is counted once."""
