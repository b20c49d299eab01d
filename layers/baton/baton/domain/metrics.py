"""Metrics: what is counted and measured. Pure functions from an event to its metrics.

Dimensions have few values. None contains an id: each combination of values is a metric of its own, which is paid for.
docs/operations.md lists all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from baton.domain.errors import (
    LlmAnswerInvalid,
    LlmError,
    LlmFormatInvalid,
    LlmRefused,
    LlmServerError,
    LlmThrottled,
    LlmTimeout,
    LlmUnreachable,
    LlmWaitTooLong,
)
from baton.domain.live.messages import Change
from baton.domain.llm.calls import LlmAnswer
from baton.domain.llm.endpoints import LlmEndpoint, cost_of
from baton.domain.runs.responses import Response
from baton.domain.runs.run import FINAL_STATUSES, Run
from baton.domain.times import epoch_ms

Unit = Literal["Count", "Milliseconds", "Seconds", "None"]
"""CloudWatch has no unit for money."""

CAUSES: Mapping[type[LlmError], str] = {
    LlmThrottled: "throttled",
    LlmUnreachable: "unreachable",
    LlmServerError: "server_error",
    LlmTimeout: "timeout",
    LlmRefused: "refused",
    LlmWaitTooLong: "wait_too_long",
    LlmAnswerInvalid: "answer_invalid",
    LlmFormatInvalid: "format_invalid",
}

LIMIT = "limit"
"""The cause of a wait for the limits of an LLM instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of a metric. The dimension ``service``, the name of the function, is added to all of them."""

    name: str
    unit: Unit
    value: float
    dimensions: Mapping[str, str] = field(default_factory=dict)


COLD_START = Metric(name="ColdStart", unit="Count", value=1)


def llm_answered(endpoint: LlmEndpoint, answer: LlmAnswer, duration_ms: int) -> list[Metric]:
    """A call with a usable answer. Earlier answers that were not the requested JSON are calls that failed.

    ``Cost`` is known if the instance has a price and the provider reports its counts.
    """
    of_provider = {"provider": endpoint.provider}
    counted: dict[str, tuple[Unit, float | None]] = {
        "LlmDuration": ("Milliseconds", duration_ms),
        "InputTokens": ("Count", answer.prompt_tokens),
        "OutputTokens": ("Count", answer.completion_tokens),
        "Cost": ("None", cost_of(endpoint.price, answer.prompt_tokens, answer.completion_tokens)),
    }
    calls = [_calls(endpoint, "answered", "none")]
    if answer.format_retries:
        calls.append(_calls(endpoint, "failed", CAUSES[LlmFormatInvalid], answer.format_retries))
    return [
        *calls,
        *(
            Metric(name=name, unit=unit, value=value, dimensions=of_provider)
            for name, (unit, value) in counted.items()
            if value is not None
        ),
    ]


def llm_failed(endpoint: LlmEndpoint, error: LlmError) -> list[Metric]:
    """A call without a usable answer."""
    return [_calls(endpoint, "failed", cause_of(error), error.calls)]


def waited(cause: str, seconds: int) -> list[Metric]:
    """A run waits before its next LLM call."""
    because = {"cause": cause}
    return [
        Metric(name="Waits", unit="Count", value=1, dimensions=because),
        Metric(name="WaitSeconds", unit="Seconds", value=seconds, dimensions=because),
    ]


def payload_answered(response: Response) -> list[Metric]:
    """From the start of a payload to its response, with all tries and waits."""
    milliseconds = epoch_ms(response.created_at) - epoch_ms(response.started_at)
    return [Metric(name="PayloadDuration", unit="Milliseconds", value=milliseconds)]


def runs_ended(changes: Iterable[Change]) -> list[Metric]:
    """Runs that have reached a final status; a run that is resumed may end again."""
    return [
        Metric(name="RunsEnded", unit="Count", value=1, dimensions={"status": change.new.status})
        for change in changes
        if isinstance(change.new, Run) and _has_ended(change.old, change.new)
    ]


def message_lags(milliseconds: Iterable[int]) -> list[Metric]:
    """From the write of a change to its last client's message."""
    return [Metric(name="MessageLag", unit="Milliseconds", value=lag) for lag in milliseconds]


def connections_lost(*, gone: int = 0, dropped: int = 0) -> list[Metric]:
    """Clients that had disconnected, and clients that were disconnected because they did not accept a message."""
    counts = {"ConnectionsGone": gone, "ConnectionsDropped": dropped}
    return [Metric(name=name, unit="Count", value=count) for name, count in counts.items() if count]


def cause_of(error: LlmError) -> str:
    """The cause of the nearest class in :data:`CAUSES`."""
    return next(CAUSES[kind] for kind in type(error).__mro__ if kind in CAUSES)


def _calls(endpoint: LlmEndpoint, outcome: Literal["answered", "failed"], cause: str, calls: int = 1) -> Metric:
    dimensions = {"provider": endpoint.provider, "outcome": outcome, "cause": cause}
    return Metric(name="LlmCalls", unit="Count", value=calls, dimensions=dimensions)


def _has_ended(old: object, new: Run) -> bool:
    was = old.status if isinstance(old, Run) else None
    return new.status in FINAL_STATUSES and was != new.status
