"""What is asked of an LLM and what comes back, in the same words for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol

from baton.domain.prompts import Reference

MAX_TIMEOUT_SECONDS = 840
"""The longest that one LLM call may take; the payload function itself has 900 s."""


type ResponseFormat = Literal["text", "json"] | Mapping[str, Any]
"""``"text"``, ``"json"``, or a JSON Schema that the answer must follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """The settings of one call. ``None`` means: not said here; 0 is a value.

    ``stream`` is whether the answer is asked for piece by piece, so that it can be read while it grows; it is, unless
    this says no. ``options`` are the provider's own settings, handed on as they are. ``unset`` names the settings, in
    order, for which nothing is said on purpose: an instance's default doesn't take their place.
    """

    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    response_format: ResponseFormat | None = None
    model: str | None = None
    timeout_seconds: float | None = None
    stream: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()

    def over(self, defaults: LlmSettings) -> LlmSettings:
        """These settings, with ``defaults`` for whatever they leave open and don't unset."""
        said = {name: value for name, value in self.values().items() if value is not None}
        options = {**({} if "options" in self.unset else defaults.options), **self.options}
        return replace(defaults, **(dict.fromkeys(self.unset) | said | {"options": options}), unset=())

    def values(self) -> dict[str, Any]:
        """Every setting by its name, also those of which nothing is said."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "unset"}

    def said(self) -> dict[str, Any]:
        """The settings of which something is said, ``None`` for those that are unset."""
        return {
            name: None if name in self.unset else value
            for name, value in self.values().items()
            if name in self.unset or (value is not None and (name != "options" or value))
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """A setting that a provider doesn't take, and why, to stand after its name."""

    setting: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmPrice:
    """What an instance charges, in US dollars for a million tokens."""

    prompt: float
    completion: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmLimits:
    """What an instance may be asked for by all runs together; ``None`` is no limit."""

    max_concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmEndpoint:
    """Where a call goes. ``has_api_key`` says that a secret is kept for the instance, never the secret itself.

    ``api_key_header`` is the header that carries the key, where it isn't the provider's usual one.
    """

    instance_id: int
    instance_name: str
    provider: str
    base_url: str | None
    model: str
    timeout_seconds: float
    has_api_key: bool = False
    api_key_header: str | None = None
    limits: LlmLimits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmTarget:
    """One of the instances that may answer a payload, and its settings with this one's defaults.

    ``references`` are those of its ``system`` text, which may be the payload's or the instance's own.
    """

    endpoint: LlmEndpoint
    settings: LlmSettings
    references: tuple[Reference, ...] = ()


class AnswerListener(Protocol):
    """Hears an answer while it grows."""

    def begin(self) -> None:
        """An answer begins; what was heard of one before it is void."""

    def hear(self, piece: str) -> None:
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
