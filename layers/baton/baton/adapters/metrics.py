"""Metrics as log lines in CloudWatch's embedded metric format, from which CloudWatch makes metrics.

The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.metrics.provider import cold_start

from baton.domain.metrics import COLD_START, Metric


class EmfMetrics:
    """Collects the metrics of an invocation. Created in the first invocation of a process, which is a cold start.

    With provisioned concurrency, no invocation is one.
    """

    def __init__(self, namespace: str, service: str) -> None:
        self._namespace = namespace
        self._service = service
        self._pending = [COLD_START] if cold_start.is_cold_start else []

    def add(self, metrics: Iterable[Metric]) -> None:
        """Add values to those that are written at the end of the invocation."""
        self._pending.extend(metrics)

    def flush(self) -> None:
        """Write one line for each set of dimensions; without metrics, none."""
        sets: dict[tuple[tuple[str, str], ...], list[Metric]] = defaultdict(list)
        for metric in self._pending:
            sets[tuple(metric.dimensions.items())].append(metric)
        self._pending = []
        for dimensions, metrics in sets.items():
            self._write(dimensions, metrics)

    def _write(self, dimensions: Iterable[tuple[str, str]], metrics: Iterable[Metric]) -> None:
        line = EphemeralMetrics(namespace=self._namespace, service=self._service)
        for name, value in dimensions:
            line.add_dimension(name, value)
        for metric in metrics:
            line.add_metric(metric.name, metric.unit, metric.value)
        line.flush_metrics()
