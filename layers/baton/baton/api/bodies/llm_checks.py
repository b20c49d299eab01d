"""The result of a check of an LLM instance, as clients receive it."""

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
"""Stable names by which clients distinguish failures."""


class LlmCheckView(View):
    """Whether an LLM instance can be called."""

    connected: bool
    models: list[str] | None = Field(description="The models that the endpoint lists; `null` if it does not list them.")
    model_listed: bool | None = Field(description="Whether the instance's model is one of them.")
    duration_ms: int
    error: str | None = Field(description="Why the call failed, for people.")
    cause: Cause | None = Field(description="The cause of the failure, for programs.")

    @classmethod
    def of(cls, result: CheckResult) -> LlmCheckView:
        """The result as clients receive it."""
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
    """The cause of the nearest class in ``CAUSES``."""
    return next(CAUSES[kind] for kind in type(failure).__mro__ if kind in CAUSES)
