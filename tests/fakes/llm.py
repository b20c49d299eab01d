"""Fakes of the LLM ports: an LLM with scripted replies, a check, unsupported settings, and secrets."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence

from baton.domain.errors import LlmError, LlmRefused
from baton.domain.llm.api_keys import ApiKey, Destination, key_from
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting
from tests.fakes.clock import FakeClock
from tests.support.records import an_answer

type Reply = str | LlmAnswer | BaseException


class FakeLlm:
    """An Llm, and a provider's ``complete``: returns its replies in turn, and stores the calls and their listeners.

    More calls than replies are an error. If it ``streams``, a listener receives each answer in one piece.
    """

    def __init__(self, *replies: Reply) -> None:
        self.streams = False
        self.calls: list[LlmCall] = []
        self.listeners: list[AnswerListener | None] = []
        self._replies = deque(replies)

    def script(self, *replies: Reply) -> None:
        """Add replies."""
        self._replies.extend(replies)

    def __call__(self, call: LlmCall, listener: AnswerListener | None = None, _transport: object = None) -> LlmAnswer:
        self.calls.append(call)
        self.listeners.append(listener)
        assert self._replies, "the LLM was called more often than the test expects"
        reply = self._replies.popleft()
        if isinstance(reply, BaseException):
            raise reply
        answer = an_answer(reply) if isinstance(reply, str) else reply
        if self.streams and listener:
            listener.on_start()
            listener.on_text(answer.content)
        return answer

    @property
    def prompts(self) -> list[str]:
        """The prompts of its calls, in order."""
        return [call.prompt for call in self.calls]


class FakeLlmCheck:
    """An LlmCheck: returns its models or fails, after ``seconds`` of the clock; records the calls."""

    def __init__(self, clock: FakeClock) -> None:
        self.calls: list[LlmCall] = []
        self.models: Sequence[str] | None = None
        self.failure: LlmError | None = None
        self.seconds = 0.0
        self._clock = clock

    def __call__(self, call: LlmCall) -> Sequence[str] | None:
        self.calls.append(call)
        self._clock.advance(self.seconds)
        if self.failure is not None:
            raise self.failure
        return self.models


class FakeUnsupportedSettings:
    """An UnsupportedSettings; ``unsupported`` names the settings that each provider does not support."""

    def __init__(self) -> None:
        self.unsupported: dict[str, list[str]] = {}

    def __call__(self, provider: str, settings: LlmSettings) -> Sequence[UnsupportedSetting]:
        found = [name for name in self.unsupported.get(provider, ()) if getattr(settings, name) is not None]
        return [UnsupportedSetting(name, f"is not supported by {provider}") for name in found]


class FakeSecrets:
    """A Secrets; ``stored`` contains the keys by tenant and instance, as stored texts."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, int], str] = {}

    def read_api_key(self, tenant: str, instance_id: int, destination: Destination, *, fresh: bool = False) -> str:  # noqa: ARG002 - always fresh
        if (tenant, instance_id) not in self.stored:
            raise LlmRefused(f"The API key of LLM instance {instance_id} no longer exists; set it again.")
        return key_from(self.stored[tenant, instance_id], instance_id, destination)

    def write_api_key(self, tenant: str, instance_id: int, api_key: ApiKey) -> None:
        self.stored[tenant, instance_id] = api_key.to_text()

    def delete_api_key(self, tenant: str, instance_id: int) -> None:
        self.stored.pop((tenant, instance_id), None)

    @property
    def keys(self) -> dict[tuple[str, int], str]:
        """The keys without their destinations."""
        return {where: str(json.loads(text)["key"]) for where, text in self.stored.items()}
