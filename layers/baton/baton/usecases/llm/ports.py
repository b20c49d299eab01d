"""LLM endpoints, their limits and their keys. One test suite runs against the adapter and the fake of each Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from baton.domain.llm.api_keys import ApiKey, Destination
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.limits import LimitState
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting


class Llm(Protocol):
    """Calls any configured provider."""

    def __call__(self, call: LlmCall, listener: AnswerListener | None, /) -> LlmAnswer:
        """The answer; with a ``listener``, it is streamed where the provider supports that.

        :raises LlmError: if there is no usable answer.
        """


class LlmCheck(Protocol):
    """The cheapest request that shows whether an endpoint works."""

    def __call__(self, call: LlmCall) -> Sequence[str] | None:
        """The models that the endpoint lists; ``None`` if it lists none. A short prompt replaces the call's.

        :raises LlmError: if the endpoint can't be reached, or rejects the request.
        """


class UnsupportedSettings(Protocol):
    """Finds the settings that a provider does not support, without a call."""

    def __call__(self, provider: str, settings: LlmSettings) -> Sequence[UnsupportedSetting]:
        """Empty if the provider supports all of them."""


class Secrets(Protocol):
    """The API keys of LLM instances; clients can write but not read them."""

    def read_api_key(self, tenant: str, instance_id: int, destination: Destination, *, fresh: bool = False) -> str:
        """The key, for a call to this destination; with ``fresh`` never a cached one.

        :raises LlmRefused: if the key is missing, or was set for another destination.
        """

    def write_api_key(self, tenant: str, instance_id: int, api_key: ApiKey) -> None:
        """Store or replace the key."""

    def delete_api_key(self, tenant: str, instance_id: int) -> None:
        """Delete the key; no error if the instance has none."""


class LimitStore(Protocol):
    """How far the limits of each LLM instance are used."""

    def read(self, tenant: str, instance_id: int) -> LimitState:
        """The newest state; the first state for an instance without calls so far."""

    def write(self, tenant: str, instance_id: int, state: LimitState, expires_at: int) -> None:
        """Replace the state that this one was made from; it is stored as the next version.

        :raises LimitsConflict: if another state was stored in the meantime.
        """
