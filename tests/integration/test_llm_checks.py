"""Checks of LLM instances, from the HTTP call to a server on this machine."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from baton.adapters.llm import registry
from baton.adapters.llm.provider import Provider as LlmProvider
from baton.api.bodies.llm_checks import LlmCheckView
from baton.api.caller import DEFAULT_TENANT as TENANT
from baton.runtime import wiring
from tests.support.aws import forget
from tests.support.deployment import Deployment
from tests.support.functions import Answer, request
from tests.support.openai_server import Provider, serving
from tests.support.problems import assert_problem

KEY = "sk-test-0123456789"


@pytest.fixture
def local(baton: Deployment) -> Deployment:
    """A deployment that may call this machine."""
    baton.aws.monkeypatch.setenv("ALLOW_PRIVATE_LLM_HOSTS", "true")
    baton.aws.monkeypatch.setenv("ALLOW_LOOPBACK_LLM_HOSTS", "true")
    forget(wiring)
    return baton


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as served:
        yield served


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def instance(base_url: str, **more: Any) -> dict[str, Any]:
    return {"name": "demo", "provider": "openai", "model": "m", "base_url": base_url, **more}


def created(baton: Deployment, base_url: str, **more: Any) -> int:
    return baton.create("/api/llm/instances", instance(base_url, **more))


def checked(instance_id: int) -> Answer:
    return request("POST", f"/api/llm/instances/{instance_id}/test")


def failed(instance_id: int) -> tuple[str, str]:
    """The cause and the error of an instance that isn't connected."""
    answer = checked(instance_id)
    body = answer.body
    assert (answer.status, body["connected"], body["models"], body["model_listed"]) == (200, False, None, None)
    return body["cause"], body["error"]


def test_an_endpoint_with_a_list_of_models_is_connected(baton: Deployment) -> None:
    listing = LlmProvider(complete=baton.llm, check=lambda _call, _transport: ("m", "large-1"))
    baton.aws.monkeypatch.setitem(cast("dict[str, LlmProvider]", registry.PROVIDERS), "scripted", listing)
    answer = checked(created(baton, "https://llm.example/v1", provider="scripted"))
    duration_ms = answer.body.pop("duration_ms")
    assert answer.body == {
        "connected": True,
        "models": ["m", "large-1"],
        "model_listed": True,
        "error": None,
        "cause": None,
    }
    assert 0 <= duration_ms < 10_000
    assert baton.llm.calls == []


def test_an_endpoint_without_a_list_of_models_is_connected_if_it_answers(local: Deployment, provider: Provider) -> None:
    made = created(local, provider.base_url, api_key=KEY, defaults={"system": "Be brief.", "stop": ["."]})
    answer = checked(made)
    assert answer.status == 200
    assert (answer.body["connected"], answer.body["models"], answer.body["model_listed"]) == (True, None, None)
    (call,) = provider.calls
    assert call.authorization == f"Bearer {KEY}"
    assert "stop" not in call.body
    assert "Be brief." not in json.dumps(call.body)
    assert call.prompt not in json.dumps(answer.body)


def test_a_simulated_instance_is_always_connected(baton: Deployment) -> None:
    assert checked(baton.create("/api/llm/instances", {"name": "s", "provider": "simulated", "model": "m"})).body[
        "connected"
    ]


def test_a_wrong_key_is_reported_and_not_shown(local: Deployment, provider: Provider) -> None:
    provider.accepts = False
    cause, error = failed(created(local, provider.base_url, api_key=KEY))
    assert cause == "refused"
    assert error.startswith("LLM instance 'demo' answered with status 401: Incorrect API key provided: ")
    assert KEY not in error


def test_the_error_for_a_base_url_without_a_version_contains_the_correct_one(
    local: Deployment, provider: Provider
) -> None:
    cause, error = failed(created(local, provider.base_url.removesuffix("/v1")))
    assert cause == "refused"
    assert error.endswith(f" The API answers at {provider.base_url}: set base_url to {provider.base_url}.")


def test_a_replaced_key_is_used_immediately(local: Deployment, provider: Provider) -> None:
    made = created(local, provider.base_url, api_key="sk-old")
    checked(made)
    assert request("PUT", f"/api/llm/instances/{made}", instance(provider.base_url, api_key="sk-new")).status == 200
    checked(made)
    assert [call.authorization for call in provider.calls] == ["Bearer sk-old", "Bearer sk-new"]


def test_a_missing_key_is_reported(local: Deployment, provider: Provider) -> None:
    made = created(local, provider.base_url, api_key=KEY)
    (parameter,) = local.aws.ssm.describe_parameters()["Parameters"]
    local.aws.ssm.delete_parameter(Name=parameter["Name"])
    assert failed(made) == ("refused", f"The API key of LLM instance {made} no longer exists; set it again.")


def test_a_closed_port_is_unreachable(local: Deployment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    cause, error = failed(created(local, f"http://127.0.0.1:{port}/v1"))
    assert cause == "unreachable"
    assert f"can't be reached (127.0.0.1:{port})" in error


def test_a_host_that_the_policy_forbids_is_not_called(local: Deployment, provider: Provider) -> None:
    """The instance was saved before the parameter was changed."""
    made = created(local, provider.base_url)
    local.aws.monkeypatch.setenv("ALLOW_PRIVATE_LLM_HOSTS", "false")
    forget(wiring)
    cause, error = failed(made)
    assert cause == "refused"
    assert "may not call 127.0.0.1: its address is loopback" in error
    assert provider.calls == []


def test_a_silent_server_times_out_after_the_timeout_of_the_instance(local: Deployment, silent: str) -> None:
    made = created(local, silent, timeout_seconds=0.2)
    assert failed(made) == ("timed-out", "LLM instance 'demo' sent no complete answer within 0.2 s.")


def test_a_check_has_its_own_maximum_duration(local: Deployment, silent: str) -> None:
    made = created(local, silent, timeout_seconds=840)
    began = time.monotonic()
    result = replace(wiring.check_llm_instance(), max_seconds=0.2)(TENANT, made)
    assert LlmCheckView.of(result).cause == "timed-out"
    assert 200 <= result.duration_ms <= (time.monotonic() - began) * 1000 < 5_000


@pytest.mark.usefixtures("baton")
def test_an_unknown_instance_is_a_404() -> None:
    assert_problem(checked(9), 404, "not-found", "There is no LLM instance 9.")


def test_a_check_changes_nothing(local: Deployment, provider: Provider) -> None:
    made = created(local, provider.base_url, api_key=KEY)
    before = local.aws.items(local.aws.catalog_table)
    checked(made)
    provider.accepts = False
    checked(made)
    assert local.aws.items(local.aws.catalog_table) == before
