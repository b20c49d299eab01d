"""An LLM call and its answer, the same for every provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from baton.domain.llm.endpoints import LlmEndpoint
from baton.domain.llm.settings import LlmSettings

MAX_TIMEOUT_SECONDS = 840
"""The longest timeout of one LLM call; the payload function itself has 900 s."""


class AnswerListener(Protocol):
    """Receives an answer while it is streamed."""

    def on_start(self) -> None:
        """A new answer begins; text that was received before is discarded."""

    def on_text(self, text: str) -> None:
        """The next chunk of the answer's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmCall:
    """All parameters of one call. ``tries`` counts the earlier calls for this payload."""

    endpoint: LlmEndpoint
    settings: LlmSettings
    prompt: str
    api_key: str | None = field(default=None, repr=False)
    tries: int = 0

    @property
    def model(self) -> str:
        """The payload's model, else the instance's."""
        return self.settings.model or self.endpoint.model

    @property
    def timeout_seconds(self) -> float:
        """For the whole call, from connecting to the last byte."""
        return self.settings.timeout_seconds or self.endpoint.timeout_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmAnswer:
    """The LLM's answer. Counts are ``None`` where the provider doesn't report them.

    ``finish_reason`` is ``stop``, ``length`` or ``tool_calls`` for every provider, else the provider's own term.
    ``format_retries`` counts the earlier answers that were not the requested JSON; token counts include them.
    """

    content: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    format_retries: int = 0

    @property
    def truncated(self) -> bool:
        """Whether the model was stopped before the end of its answer."""
        return self.finish_reason == "length"

    @property
    def empty(self) -> bool:
        """Whether the content is empty or white space."""
        return not self.content.strip()
