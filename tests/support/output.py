"""What functions write: log lines, and metrics in CloudWatch's embedded metric format."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from baton.runtime.logging import logger


@dataclass(frozen=True, kw_only=True)
class Value:
    """The values of one metric in one line."""

    namespace: str
    name: str
    unit: str
    values: list[float]
    dimensions: dict[str, str]


@dataclass(frozen=True)
class Output:
    """The output of all functions of a process so far."""

    capsys: pytest.CaptureFixture[str]
    written: list[str] = field(default_factory=list)

    def lines(self) -> list[dict[str, Any]]:
        """The log lines, in order."""
        return [line for line in self._parsed() if "_aws" not in line]

    def line(self, message: str, **fields: Any) -> dict[str, Any]:
        """The only line with this message and these fields."""
        (found,) = [line for line in self.lines() if line.items() >= {"message": message, **fields}.items()]
        return found

    def metrics(self) -> list[Value]:
        """The metrics, in order."""
        return [value for line in self._parsed() if "_aws" in line for value in _values(line)]

    def metric(self, name: str, **dimensions: str) -> Value:
        """The only metric with this name and these dimensions, among others."""
        (found,) = [
            each for each in self.metrics() if each.name == name and each.dimensions.items() >= dimensions.items()
        ]
        return found

    def text(self) -> str:
        """All of it."""
        self.written.append(self.capsys.readouterr().out)
        return "".join(self.written)

    def clear(self) -> None:
        """Forget what has been written so far."""
        self.text()
        self.written.clear()

    def _parsed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


class _Stdout:
    """What ``sys.stdout`` is when it is used: pytest replaces it for each test, after the logger was made."""

    def write(self, text: str) -> None:
        sys.stdout.write(text)

    def flush(self) -> None:
        """Nothing is buffered here."""


@contextmanager
def captured(capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    """All output within it; a line that is not JSON fails the test that reads it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(logger.registered_handler, "stream", _Stdout())
        yield Output(capsys)


def _values(line: dict[str, Any]) -> Iterator[Value]:
    for directive in line["_aws"]["CloudWatchMetrics"]:
        (dimensions,) = directive["Dimensions"]
        for metric in directive["Metrics"]:
            yield Value(
                namespace=directive["Namespace"],
                name=metric["Name"],
                unit=metric["Unit"],
                values=line[metric["Name"]],
                dimensions={name: line[name] for name in dimensions},
            )
