"""Check an LLM instance: whether its endpoint responds, and whether it offers the model."""

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
"""The timeout of the endpoint. The rest of 10 s is for a cold start and for reading the instance and its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check. Without a ``failure`` the endpoint works; ``models`` is ``None`` if it lists none."""

    model: str
    duration_ms: int
    models: Sequence[str] | None = None
    failure: LlmError | None = None

    @property
    def model_listed(self) -> bool | None:
        """Whether the model is in the list; ``None`` without a list. Gemini lists names with the prefix ``models/``,
        Ollama with the tag ``latest``; both accept names without them."""
        if self.models is None:
            return None
        short = (name.removeprefix("models/").removesuffix(":latest") for name in self.models)
        return self.model in {*self.models, *short}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLlmInstance:
    """``monotonic`` is in seconds. The timeout is ``max_seconds``, or the instance's own if that is shorter."""

    catalog: CatalogStore
    api_keys: ApiKeys
    check: LlmCheck
    monotonic: Callable[[], float]
    max_seconds: float = MAX_SECONDS

    def __call__(self, tenant: str, instance_id: int) -> CheckResult:
        """Stores nothing. A failing endpoint is a result, not an error.

        :raises NotFound: if the instance does not exist.
        """
        instance = self.catalog.read(tenant, LlmInstance, instance_id)
        models, failure = None, None
        started = self.monotonic()
        try:
            models = self.check(self._call(tenant, instance))
        except LlmError as error:
            failure = error
        duration_ms = round((self.monotonic() - started) * 1000)
        model = instance.defaults.model or instance.model
        return CheckResult(model=model, duration_ms=duration_ms, models=models, failure=failure)

    def _call(self, tenant: str, instance: LlmInstance) -> LlmCall:
        """With the newest key, and without the defaults that affect answers."""
        endpoint = instance.endpoint()
        key = self.api_keys.for_call(tenant, endpoint, fresh=True)
        own_seconds = instance.defaults.timeout_seconds or instance.timeout_seconds
        settings = LlmSettings(model=instance.defaults.model, timeout_seconds=min(own_seconds, self.max_seconds))
        return LlmCall(endpoint=endpoint, settings=settings, prompt="", api_key=key)
