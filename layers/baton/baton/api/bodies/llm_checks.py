"""What a check of an LLM instance has found, as clients read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from baton.api.bodies.fields import View
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
from baton.usecases.llm.check_llm_instance import CheckResult

Cause = Literal["refused", "throttled", "unreachable", "timed-out", "server-error", "invalid-answer"]

CAUSES: Mapping[type[LlmError], Cause] = {
    LlmRefused: "refused",
    LlmThrottled: "throttled",
    LlmWaitTooLong: "throttled",
    LlmUnreachable: "unreachable",
    LlmTimeout: "timed-out",
    LlmServerError: "server-error",
    LlmAnswerInvalid: "invalid-answer",
    LlmFormatInvalid: "invalid-answer",
}
"""What a client can tell failures apart by; they never change."""


class LlmCheckView(View):
    """Whether an LLM instance answers."""

    connected: bool
    models: list[str] | None = Field(description="Those that the endpoint offers; `null` where it doesn't tell.")
    model_listed: bool | None = Field(description="Whether the instance's model is one of them.")
    duration_ms: int
    error: str | None = Field(description="Why it doesn't answer, for a person.")
    cause: Cause | None = Field(description="The same for a program; go by it.")

    @classmethod
    def of(cls, result: CheckResult) -> LlmCheckView:
        """The result as clients read it."""
        failure = result.failure
        return cls(
            connected=failure is None,
            models=None if result.models is None else list(result.models),
            model_listed=result.model_listed,
            duration_ms=result.duration_ms,
            error=None if failure is None else str(failure),
            cause=None if failure is None else cause_of(failure),
        )


def cause_of(failure: LlmError) -> Cause:
    """By the nearest listed class."""
    return next(CAUSES[kind] for kind in type(failure).__mro__ if kind in CAUSES)
