"""Metrics in memory."""

from __future__ import annotations

from collections.abc import Iterable

from baton.domain.metrics import Metric


class RecordingMetrics:
    """A Metrics; ``recorded`` has all that were added, in order."""

    def __init__(self) -> None:
        self.recorded: list[Metric] = []

    def add(self, metrics: Iterable[Metric]) -> None:
        self.recorded.extend(metrics)

    def values(self, name: str, **dimensions: str) -> list[float]:
        """The values of a metric with these dimensions, in order."""
        return [each.value for each in self.recorded if (each.name, dict(each.dimensions)) == (name, dimensions)]
