"""A provider is one declaration and one entry in the registry: nothing else changes to validate, save, check and run.

``PARROT`` is what a new folder ``providers/parrot/`` would contain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from baton.adapters.llm import registry
from baton.adapters.llm.http.http_transport import HttpTransport
from baton.adapters.llm.provider import Provider
from baton.domain.errors import LlmRefused
from baton.domain.llm.calls import AnswerListener, LlmAnswer, LlmCall
from baton.domain.llm.settings import LlmSettings, UnsupportedSetting
from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.problems import assert_problem

INSTANCES = "/api/llm/instances"
BASE_URL = "https://parrot.example/v1"


# --- what providers/parrot/ would contain ----------------------------------------------------------------------------


def complete(call: LlmCall, _listener: AnswerListener | None, _transport: HttpTransport) -> LlmAnswer:
    if call.api_key != "cracker":
        raise LlmRefused(f"LLM instance {call.endpoint.instance_name!r} has a wrong key.")
    return LlmAnswer(content=f"{call.prompt} {call.prompt}", model=call.model, finish_reason="stop")


def check(call: LlmCall, _transport: HttpTransport) -> Sequence[str]:
    return (call.model, "parrot-large")


def unsupported_settings(settings: LlmSettings) -> Iterator[UnsupportedSetting]:
    if settings.temperature is not None:
        yield UnsupportedSetting("temperature", "is not supported by parrot")


PARROT = Provider(
    complete=complete,
    check=check,
    unsupported_settings=unsupported_settings,
    needs_base_url=True,
    base_url_example=BASE_URL,
    accepts_api_key_header=False,
    streams=False,
)


# --- its entry in the registry ---------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _registered(baton: Deployment) -> None:
    baton.aws.monkeypatch.setitem(cast("dict[str, Provider]", registry.PROVIDERS), "parrot", PARROT)


def instance(**more: Any) -> dict[str, Any]:
    values = {"provider": "parrot", "model": "parrot-small", "base_url": BASE_URL, "api_key": "cracker", **more}
    return {"name": "polly", **{name: value for name, value in values.items() if value is not None}}


# --- all the rest works ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ({"base_url": None}, f"provider 'parrot' needs a base_url, such as {BASE_URL}"),
        ({"api_key_header": "x-key"}, "provider 'parrot' does not support api_key_header; remove it"),
        ({"defaults": {"temperature": 1}}, "defaults.temperature: is not supported by parrot"),
    ],
)
def test_its_instances_are_validated_by_its_declaration(values: dict[str, Any], detail: str) -> None:
    assert_problem(request("POST", INSTANCES, instance(**values)), 422, "invalid-request", detail)


@pytest.mark.usefixtures("baton")
def test_an_unknown_provider_is_rejected_and_this_one_is_among_those_listed() -> None:
    answer = request("POST", INSTANCES, instance(provider="owl"))
    assert_problem(answer, 422, "invalid-request", "'owl' is none of anthropic, bedrock, openai, parrot")


def test_its_instances_are_saved_and_read_back(baton: Deployment) -> None:
    saved = request("GET", f"{INSTANCES}/{baton.create(INSTANCES, instance())}").body
    assert (saved["provider"], saved["base_url"], saved["has_api_key"]) == ("parrot", BASE_URL, True)


def test_its_instances_are_checked(baton: Deployment) -> None:
    checked = request("POST", f"{INSTANCES}/{baton.create(INSTANCES, instance())}/test").body
    assert (checked["connected"], checked["model_listed"]) == (True, True)
    assert checked["models"] == ["parrot-small", "parrot-large"]


def test_a_payloads_unsupported_setting_is_rejected(baton: Deployment) -> None:
    polly = baton.create(INSTANCES, instance())
    payload = {"name": "p", "blocks": [{"content": "Hello."}], "llm_instance": polly, "temperature": 1}
    answer = request("POST", "/api/payloads", payload)
    assert_problem(answer, 422, "invalid-request", "temperature: is not supported by parrot")


@pytest.mark.parametrize(
    ("api_key", "status", "content"), [("cracker", "completed", "Hello. Hello."), ("seed", "failed", None)]
)
def test_its_instances_run_payloads(baton: Deployment, api_key: str, status: str, content: str | None) -> None:
    polly = baton.create(INSTANCES, instance(api_key=api_key))
    payload = {"name": "p", "blocks": [{"content": "Hello."}], "llm_instance": polly}
    workflow = {"name": "w", "payloads": [baton.create("/api/payloads", payload)]}
    run = baton.finish(baton.execute(baton.create("/api/workflows", workflow)))
    assert run["status"] == status
    assert [response["content"] for response in run["responses"]] == ([content] if content else [])
    assert content or "has a wrong key" in str(run)
