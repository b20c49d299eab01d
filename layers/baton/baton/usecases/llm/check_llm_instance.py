"""Check an LLM instance: does it answer, and does it know its model?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from baton.domain.catalog.definitions import LlmInstance
from baton.domain.errors import LlmError
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.settings import LlmSettings
from baton.usecases.catalog.ports import CatalogStore
from baton.usecases.llm.api_keys import ApiKeys
from baton.usecases.llm.ports import LlmCheck

MAX_SECONDS = 8.0
"""For the endpoint. The rest of 10 s is for a function that has just started, the instance, and its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What was found. Without a ``failure`` the endpoint answers; ``models`` is ``None`` where it tells none."""

    model: str
    duration_ms: int
    models: Sequence[str] | None = None
    failure: LlmError | None = None

    @property
    def model_listed(self) -> bool | None:
        """``None`` without a list. Gemini lists names below ``models/``, Ollama with the tag ``latest``; both take
        them without it too."""
        if self.models is None:
            return None
        short = (name.removeprefix("models/").removesuffix(":latest") for name in self.models)
        return self.model in {*self.models, *short}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLlmInstance:
    """What a check needs; ``monotonic`` is in seconds. The endpoint has ``max_seconds``, or its own time-out if that
    is less."""

    catalog: CatalogStore
    api_keys: ApiKeys
    check: LlmCheck
    monotonic: Callable[[], float]
    max_seconds: float = MAX_SECONDS

    def __call__(self, tenant: str, instance_id: int) -> CheckResult:
        """Stores nothing; an endpoint that fails is a result.

        :raises NotFound: if there is no such instance.
        """
        instance = self.catalog.read(tenant, LlmInstance, instance_id)
        models, failure = None, None
        began = self.monotonic()
        try:
            models = self.check(self._call(tenant, instance))
        except LlmError as error:
            failure = error
        duration_ms = round((self.monotonic() - began) * 1000)
        model = instance.defaults.model or instance.model
        return CheckResult(model=model, duration_ms=duration_ms, models=models, failure=failure)

    def _call(self, tenant: str, instance: LlmInstance) -> LlmCall:
        """With the newest key, and without the defaults that would shape an answer."""
        endpoint = instance.endpoint()
        key = self.api_keys.for_call(tenant, endpoint, fresh=True)
        own_seconds = instance.defaults.timeout_seconds or instance.timeout_seconds
        settings = LlmSettings(model=instance.defaults.model, timeout_seconds=min(own_seconds, self.max_seconds))
        return LlmCall(endpoint=endpoint, settings=settings, prompt="", api_key=key)
