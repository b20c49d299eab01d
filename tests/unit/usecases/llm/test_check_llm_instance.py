"""Check an LLM instance: the request that is sent, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from baton.domain.catalog.definitions import LlmInstance, new_definition
from baton.domain.errors import LlmRefused, LlmTimeout, NotFound
from baton.domain.llm.settings import LlmSettings
from baton.usecases.llm.api_keys import ApiKeys
from baton.usecases.llm.check_llm_instance import MAX_SECONDS, CheckLlmInstance, CheckResult
from tests.fakes.catalog import FakeCatalog
from tests.fakes.clock import FakeClock
from tests.fakes.llm import FakeLlmCheck, FakeSecrets
from tests.support.records import AT_NOON, OTHER_TENANT, TENANT, an_api_key, instance_draft


@dataclass(kw_only=True)
class CheckFixture:
    """The use case with fakes, and one instance to check."""

    catalog: FakeCatalog = field(default_factory=FakeCatalog)
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.endpoint = FakeLlmCheck(self.clock)
        self.check = CheckLlmInstance(
            catalog=self.catalog,
            api_keys=ApiKeys(secrets=self.secrets, base_urls={}),
            check=self.endpoint,
            monotonic=self.clock.monotonic,
        )

    def result(self, **fields: Any) -> CheckResult:
        """Check an instance with these fields."""
        instance_id = self.catalog.reserve_id(TENANT, "LLM_INSTANCE")
        instance = new_definition(LlmInstance, instance_draft(**fields), instance_id, AT_NOON)
        self.catalog.create(TENANT, instance, self.catalog.read_ledger(TENANT))
        return self.check(TENANT, instance_id)


@pytest.fixture
def checking() -> CheckFixture:
    return CheckFixture()


def test_the_result_contains_the_models_and_the_duration(checking: CheckFixture) -> None:
    checking.endpoint.models, checking.endpoint.seconds = ("small-1", "large-1"), 0.25
    result = checking.result()
    assert (result.failure, result.models, result.duration_ms) == (None, ("small-1", "large-1"), 250)


def test_a_failing_endpoint_is_a_result_and_not_an_error(checking: CheckFixture) -> None:
    checking.endpoint.failure, checking.endpoint.seconds = LlmTimeout("Too long."), 8.0
    result = checking.result()
    assert (result.failure, result.models, result.duration_ms) == (checking.endpoint.failure, None, 8000)


@pytest.mark.parametrize(
    ("model", "models", "listed"),
    [
        ("small-1", ["large-1", "small-1"], True),
        ("small", ["small-1"], False),
        ("small-1", [], False),
        ("small-1", None, None),
        ("gemini-3-flash", ["models/gemini-3-flash"], True),
        ("models/gemini-3-flash", ["models/gemini-3-flash"], True),
        ("llama3.2", ["llama3.2:latest"], True),
        ("llama3.2:latest", ["llama3.2:latest"], True),
        ("llama3.2", ["llama3.2:1b"], False),
    ],
)
def test_the_model_is_searched_in_the_list_of_the_endpoint(
    checking: CheckFixture, model: str, models: Sequence[str] | None, listed: bool | None
) -> None:
    checking.endpoint.models = models
    assert checking.result(model=model).model_listed is listed


def test_the_checked_model_is_the_one_that_payloads_use(checking: CheckFixture) -> None:
    checking.endpoint.models = ["small-1"]
    assert checking.result(model="small-1", defaults=LlmSettings(model="large-1")).model_listed is False
    assert checking.endpoint.calls[0].model == "large-1"


def test_no_setting_that_affects_answers_is_sent(checking: CheckFixture) -> None:
    defaults = LlmSettings(system="Be brief.", stop=("a",), response_format="json", seed=1, options={"n": 2})
    checking.result(defaults=defaults)
    (call,) = checking.endpoint.calls
    assert call.settings == LlmSettings(timeout_seconds=MAX_SECONDS)
    assert call.api_key is None


@pytest.mark.parametrize(
    ("own", "default", "seconds"),
    [(120, None, MAX_SECONDS), (2, None, 2), (120, 3, 3), (2, 100, MAX_SECONDS)],
)
def test_the_instances_own_timeout_applies_if_it_is_shorter(
    checking: CheckFixture, own: float, default: float | None, seconds: float
) -> None:
    checking.result(timeout_seconds=own, defaults=LlmSettings(timeout_seconds=default))
    assert checking.endpoint.calls[0].timeout_seconds == seconds


def test_the_instances_key_is_sent(checking: CheckFixture) -> None:
    checking.secrets.write_api_key(TENANT, 1, an_api_key())
    checking.result(has_api_key=True)
    assert checking.endpoint.calls[0].api_key == "sk-one"


def test_a_missing_key_is_a_failure_without_a_call(checking: CheckFixture) -> None:
    result = checking.result(has_api_key=True)
    assert isinstance(result.failure, LlmRefused)
    assert checking.endpoint.calls == []


def test_only_instances_of_the_tenant_can_be_checked(checking: CheckFixture) -> None:
    checking.result()
    for tenant, instance_id in ((TENANT, 2), (OTHER_TENANT, 1)):
        with pytest.raises(NotFound, match=f"There is no LLM instance {instance_id}"):
            checking.check(tenant, instance_id)
