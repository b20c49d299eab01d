"""An LLM call and its answer, in the same words for every provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from baton.domain.llm.endpoints import LlmEndpoint
from baton.domain.llm.settings import LlmSettings

MAX_TIMEOUT_SECONDS = 840
"""The longest that one LLM call may take; the payload function itself has 900 s."""


class AnswerListener(Protocol):
    """Hears an answer while it grows."""

    def on_start(self) -> None:
        """An answer begins; what was heard of one before it is void."""

    def on_text(self, piece: str) -> None:
        """The next piece of the answer's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmCall:
    """One call, complete. ``tries`` counts the calls for this payload that came before it.

    With a ``listener`` the answer is asked for piece by piece, where the provider can; what is returned in the end is
    the whole, all the same.
    """

    endpoint: LlmEndpoint
    settings: LlmSettings
    prompt: str
    api_key: str | None = field(default=None, repr=False)
    tries: int = 0
    listener: AnswerListener | None = field(default=None, repr=False, compare=False)

    @property
    def model(self) -> str:
        """The payload's own choice, else the instance's."""
        return self.settings.model or self.endpoint.model

    @property
    def timeout_seconds(self) -> float:
        """For the whole call, from connecting to the last byte."""
        return self.settings.timeout_seconds or self.endpoint.timeout_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmAnswer:
    """What came back. Counts are ``None`` where the provider doesn't tell.

    ``finish_reason`` is ``stop``, ``length`` or ``tool_calls`` for every provider, else its own
    word. ``format_retries`` counts the answers before this one that were not the JSON that was asked for; the counts
    of tokens are for all of them.
    """

    content: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    format_retries: int = 0

    @property
    def truncated(self) -> bool:
        """Whether the model was stopped before it had come to an end."""
        return self.finish_reason == "length"

    @property
    def empty(self) -> bool:
        """Whether the model stopped without a word: there is no more than white space."""
        return not self.content.strip()
