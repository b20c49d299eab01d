"""The hosts that LLM calls may use, from the template's parameters to the function that calls them."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from baton.domain.errors import LlmRefused, LlmUnreachable
from baton.domain.llm.calls import LlmCall
from baton.domain.llm.endpoints import LlmEndpoint
from baton.domain.llm.hosts import HostPolicy
from baton.domain.llm.settings import LlmSettings
from baton.runtime import wiring
from baton.runtime.settings import host_policy
from tests.support.deployment import Deployment
from tests.support.environments import in_function
from tests.support.functions import request
from tests.support.template import EMULATOR

INSTANCES = "/api/llm/instances"
CALL_LLMS = ("catalog_api", "execute_payload")
"""The functions that call LLMs."""


def sent(base_url: str, **also: Any) -> dict[str, Any]:
    return {"name": "i", "provider": "openai", "model": "m", "base_url": base_url, **also}


def call_to(base_url: str) -> LlmCall:
    endpoint = LlmEndpoint(
        instance_id=1, instance_name="demo", provider="openai", base_url=base_url, model="m", timeout_seconds=5
    )
    return LlmCall(endpoint=endpoint, settings=LlmSettings(), prompt="Say something.")


@pytest.fixture
def private_hosts_allowed(baton: Deployment) -> None:
    baton.aws.deploy({"AllowPrivateLlmHosts": "true", **EMULATOR})


@pytest.mark.parametrize("function", CALL_LLMS)
@pytest.mark.usefixtures("baton")
def test_by_default_all_public_hosts_are_allowed(function: str) -> None:
    assert in_function(function, host_policy) == HostPolicy(allow_private=False, allow_loopback=False, allowed=("*",))


@pytest.mark.parametrize("function", CALL_LLMS)
def test_a_list_of_hosts_is_normalized(baton: Deployment, function: str) -> None:
    baton.aws.deploy({"AllowedLlmHosts": "API.Example, *.azure.example.,,"})
    assert in_function(function, host_policy).allowed == ("api.example", "*.azure.example")


@pytest.mark.usefixtures("baton")
@pytest.mark.parametrize(
    ("base_url", "why"),
    [
        ("http://api.example/v1", "https only"),
        ("http://169.254.169.254/latest", "the metadata service's"),
        ("https://10.0.0.1/v1", "private"),
        ("https://2130706433", "loopback"),
        ("https://[::ffff:10.0.0.1]/v1", "private"),
        ("https://localhost:8443/v1", "loopback"),
    ],
)
def test_an_instance_with_a_forbidden_host_is_rejected(base_url: str, why: str) -> None:
    answer = request("POST", INSTANCES, sent(base_url, api_key="sk-test-1"))
    assert (answer.status, answer.body["type"]) == (422, "invalid-request")
    assert answer.body["detail"].startswith("base_url: its host can't be called: ")
    assert why in answer.body["detail"]
    assert request("GET", INSTANCES).body["items"] == []


@pytest.mark.usefixtures("baton")
def test_an_instance_cannot_be_replaced_by_one_with_a_private_host() -> None:
    created = request("POST", INSTANCES, sent("https://api.example/v1")).body
    answer = request("PUT", f"{INSTANCES}/{created['id']}", sent("https://192.168.0.1/v1"))
    assert (answer.status, "base_url" in answer.body["detail"]) == (422, True)


@pytest.mark.usefixtures("private_hosts_allowed")
def test_with_private_hosts_allowed_an_instance_may_have_one_over_http() -> None:
    assert request("POST", INSTANCES, sent("http://127.0.0.1:8080/v1")).status == 201


@pytest.mark.usefixtures("baton")
def test_execute_payload_calls_no_private_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to one can be saved, and the parameter may have been changed after the instance."""
    real = socket.getaddrinfo
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest, **also: real("127.0.0.1", *rest, **also))
        for host in ("127.0.0.1", "inside.example"):
            with pytest.raises(LlmRefused, match=f"may not call {host}: its address is loopback"):
                in_function("execute_payload", wiring.execute_payload).llm(call_to(f"https://{host}:{port}/v1"), None)
        listening.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listening.accept()


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]", "[64:ff9b:1::7f00:1]", "169.254.1.1"])
def test_on_aws_private_hosts_never_include_loopback_and_link_local_addresses(baton: Deployment, host: str) -> None:
    """With the settings of the template without an emulator."""
    baton.aws.deploy({"AllowPrivateLlmHosts": "true"})
    answer = request("POST", INSTANCES, sent(f"http://{host}/v1"))
    assert (answer.status, "its host can't be called" in answer.body["detail"]) == (422, True)
    assert request("POST", INSTANCES, sent("http://10.0.0.1/v1")).status == 201
    with pytest.raises(LlmRefused, match="may not call"):
        in_function("execute_payload", wiring.execute_payload).llm(call_to(f"http://{host}/v1"), None)


@pytest.mark.usefixtures("private_hosts_allowed")
def test_with_private_hosts_allowed_they_are_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(LlmUnreachable, match="Connection refused"):
        in_function("execute_payload", wiring.execute_payload).llm(call_to(f"http://127.0.0.1:{port}/v1"), None)
