"""A key is only sent to the address that it was stored for: with HTTP, Parameter Store and the state machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from baton.runtime import wiring
from tests.support.aws import forget
from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.llm_instances import INSTANCES, workflow
from tests.support.problems import assert_problem

NAME = "/baton-test/default/llm-instances/1/api-key"


@dataclass
class Endpoint:
    """An LLM server on this machine that records the headers of its requests."""

    status: int = 401
    received: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def new_endpoint() -> Iterator[Callable[[int], Endpoint]]:
    servers: list[ThreadingHTTPServer] = []

    def made(status: int) -> Endpoint:
        endpoint = Endpoint(status)

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                endpoint.received.append(str(self.headers))
                self.rfile.read(int(self.headers.get("content-length", 0)))
                answer = {"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}], "data": []}
                body = json.dumps(answer).encode()
                self.send_response(endpoint.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 - as the base class calls them

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
        return endpoint

    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def local(baton: Deployment) -> Deployment:
    """A deployment that may call this machine."""
    baton.aws.monkeypatch.setenv("ALLOW_PRIVATE_LLM_HOSTS", "true")
    baton.aws.monkeypatch.setenv("ALLOW_LOOPBACK_LLM_HOSTS", "true")
    forget(wiring)
    return baton


def openai(base_url: str, **more: Any) -> dict[str, Any]:
    return {"name": "llm", "provider": "openai", "model": "m", "base_url": base_url, "timeout_seconds": 5, **more}


def stored_keys(baton: Deployment) -> list[dict[str, Any]]:
    """The keys in Parameter Store."""
    names = [one["Name"] for one in baton.aws.ssm.describe_parameters()["Parameters"]]
    texts = [baton.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] for name in names]
    return [json.loads(text) for text in texts]


def test_a_key_is_not_sent_to_another_address_or_provider(
    local: Deployment, new_endpoint: Callable[[int], Endpoint]
) -> None:
    original, other = new_endpoint(200), new_endpoint(200)
    local.create(INSTANCES, openai(original.url, api_key="sk-home-1"))
    assert stored_keys(local) == [
        {"origin": original.url.removesuffix("/v1"), "provider": "openai", "key": "sk-home-1"}
    ]
    for changed in (openai(other.url), openai(original.url, provider="anthropic")):
        assert_problem(request("PUT", f"{INSTANCES}/1", changed), 422, "invalid-request", "api_key: the stored key is")
    local.aws.dynamodb.update_item(
        TableName=local.aws.catalog_table,
        Key={"pk": {"S": "default#LLM_INSTANCE"}, "sk": {"S": f"{1:012}"}},
        UpdateExpression="SET base_url = :url",
        ConditionExpression="attribute_exists(base_url)",
        ExpressionAttributeValues={":url": {"S": other.url}},
    )
    tested = request("POST", f"{INSTANCES}/1/test").body
    assert tested["connected"] is False
    assert "was set for" in json.dumps(tested)
    assert "sk-home-1" not in json.dumps(tested)
    assert other.received == []
    assert request("PUT", f"{INSTANCES}/1", openai(original.url, api_key="sk-home-1")).status == 200
    assert request("PUT", f"{INSTANCES}/1", openai(original.url)).status == 200
    assert request("POST", f"{INSTANCES}/1/test").body["connected"] is True
    assert "sk-home-1" in original.received[-1]


def test_a_resumed_run_does_not_send_the_new_key_to_the_old_base_url(
    local: Deployment, new_endpoint: Callable[[int], Endpoint]
) -> None:
    old, new = new_endpoint(401), new_endpoint(200)
    made = workflow(local, local.create(INSTANCES, openai(old.url, api_key="sk-old-1")))
    run_id = local.execute(made)
    assert local.finish(run_id)["status"] == "failed"
    assert "sk-old-1" in old.received.pop()
    assert request("PUT", f"{INSTANCES}/1", openai(new.url, api_key="sk-new-1")).status == 200
    old.status = 200
    assert request("POST", f"/api/runs/{run_id}/resume").status == 202
    run = local.finish(run_id, attempt=2)
    assert run["status"] == "failed"
    assert "nothing was sent" in run["metadata"]["error"]
    assert not {"sk-new-1", "sk-old-1"} & set(run["metadata"]["error"].split())
    assert (old.received, new.received) == ([], [])
    assert local.finish(local.execute(made))["status"] == "completed"
    assert "sk-new-1" in new.received[-1]


def test_null_deletes_a_key_and_an_absent_field_does_not(local: Deployment) -> None:
    url = "https://a.example/v1"
    local.create(INSTANCES, openai(url, api_key=" sk-one\n"))
    assert stored_keys(local)[0]["key"] == "sk-one"
    assert request("PUT", f"{INSTANCES}/1", openai("https://A.example:443/v2", api_key_header="x-key")).body[
        "has_api_key"
    ]
    bedrock = {"name": "llm", "provider": "bedrock", "model": "m"}
    assert_problem(request("PUT", f"{INSTANCES}/1", bedrock), 422, "invalid-request", "api_key")
    answer = request("PUT", f"{INSTANCES}/1", {**bedrock, "api_key": None})
    assert (answer.status, answer.body["has_api_key"], stored_keys(local)) == (200, False, [])
    assert request("POST", INSTANCES, openai(url, name="other", api_key=None)).body["has_api_key"] is False


def test_a_repeated_deletion_deletes_a_remaining_key(local: Deployment) -> None:
    local.aws.ssm.put_parameter(Name=NAME, Value="left", Type="SecureString")
    assert request("DELETE", f"{INSTANCES}/1").status == 404
    assert stored_keys(local) == []


@pytest.mark.parametrize("again", range(3))
def test_of_concurrent_replacements_a_successful_one_with_a_key_stores_it(local: Deployment, again: int) -> None:
    local.create(INSTANCES, openai("https://a.example/v1"))
    bodies = [openai("https://a.example/v1", model=f"m{again}"), openai("https://a.example/v1", api_key="sk-one")] * 2
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: request("PUT", f"{INSTANCES}/1", body).status, bodies))
    assert set(answers) <= {200, 409}
    assert answers.count(200) >= 1
    has_api_key = request("GET", f"{INSTANCES}/1").body["has_api_key"]
    assert [one["key"] for one in stored_keys(local)] == (["sk-one"] if has_api_key else [])
    assert has_api_key or 200 not in (answers[1], answers[3])
