"""LLM endpoints, their limits and their keys. Each Protocol has one adapter and one fake, held to the same tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from baton.domain.llm.api_keys import ApiKey, Destination
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.limits import LimitState
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting


class Llm(Protocol):
    """Every configured provider behind one call."""

    def __call__(self, call: LlmCall, listener: AnswerListener | None, /) -> LlmAnswer:
        """The answer; with a ``listener``, it is streamed where the provider supports that.

        :raises LlmError: whenever there is no usable answer.
        """


class LlmCheck(Protocol):
    """The cheapest way to find out whether an endpoint answers."""

    def __call__(self, call: LlmCall) -> Sequence[str] | None:
        """The models that it offers, ``None`` where it tells none. A short question stands in for the call's prompt.

        :raises LlmError: if it isn't there, or refuses.
        """


class UnsupportedSettings(Protocol):
    """What each provider doesn't take, known before any call."""

    def __call__(self, provider: str, settings: LlmSettings) -> Sequence[UnsupportedSetting]:
        """None for settings that the provider takes."""


class Secrets(Protocol):
    """The API keys of LLM instances; write-only for clients."""

    def read_api_key(self, tenant: str, instance_id: int, destination: Destination, *, fresh: bool = False) -> str:
        """The key, for a call to this destination; a ``fresh`` one is never older than this moment.

        :raises LlmRefused: if the key that should be there is not, or was given for another destination.
        """

    def write_api_key(self, tenant: str, instance_id: int, api_key: ApiKey) -> None:
        """Keep or replace the key."""

    def delete_api_key(self, tenant: str, instance_id: int) -> None:
        """Forget the key; an instance without one is no error."""


class LimitStore(Protocol):
    """What the runs have taken of each LLM instance's limits."""

    def read(self, tenant: str, instance_id: int) -> LimitState:
        """The newest state; an instance that nobody has used yet has the first one."""

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        """Store the state in the place of the one that it was made from, as its next version.

        :raises LimitsConflict: if another one was stored since that was read.
        """
