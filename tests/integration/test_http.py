"""The HTTP functions with real events, on moto: what clients send and read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.deployment import Deployment
from tests.support.functions import request
from tests.support.problems import assert_problem

pytestmark = pytest.mark.usefixtures("baton")


def test_a_block_is_read_back_as_it_was_created() -> None:
    sent = {"title": "Greeting", "content": "Hello, {{name}} · 你好", "tags": ["a"], "folder_path": "/x"}
    created = request("POST", "/api/blocks", sent)
    assert created.status == 201
    assert created.headers["Location"] == f"/api/blocks/{created.body['id']}"
    assert sent.items() <= created.body.items()
    assert created.body["created_at"] == created.body["updated_at"]
    assert request("GET", created.headers["Location"]).body == created.body


def test_a_payload_is_read_back_with_its_blocks_in_order(baton: Deployment) -> None:
    first, second = (baton.create("/api/blocks", {"title": title, "content": "c"}) for title in ("one", "two"))
    instance = baton.create("/api/llm/instances", {"name": "i", "provider": "simulated", "model": "m"})
    sent = {"name": "p", "blocks": [second, first, second], "llm_instance": instance, "temperature": 0, "stop": ["x"]}
    payload = request("GET", f"/api/payloads/{baton.create('/api/payloads', sent)}").body
    assert payload["blocks"] == [
        {"id": second, "title": "two", "order_index": 0},
        {"id": first, "title": "one", "order_index": 1},
        {"id": second, "title": "two", "order_index": 2},
    ]
    assert (payload["temperature"], payload["stop"]) == (0, ["x"])
    assert "max_tokens" not in payload


def test_a_workflow_is_read_back_with_its_payloads_in_order(baton: Deployment) -> None:
    workflow = request("GET", f"/api/workflows/{baton.workflow('a', 'b')}").body
    assert [(entry["name"], entry["order_index"]) for entry in workflow["payloads"]] == [("p0", 0), ("p1", 1)]


def test_an_api_key_is_stored_as_a_secret_and_never_returned(baton: Deployment) -> None:
    sent = {"name": "i", "provider": "openai", "base_url": "https://x.test/v1", "model": "m", "api_key": "sk-test-1"}
    created = request("POST", "/api/llm/instances", sent)
    assert created.body["has_api_key"] is True
    assert "sk-test-1" not in str([created.body, baton.aws.items(baton.aws.catalog_table)])
    (name,) = [entry["Name"] for entry in baton.aws.ssm.describe_parameters()["Parameters"]]
    secret = json.loads(baton.aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    assert secret == {"origin": "https://x.test:443", "provider": "openai", "key": "sk-test-1"}


def test_a_replacement_without_a_key_does_not_change_the_stored_key(baton: Deployment) -> None:
    body = {"name": "i", "provider": "simulated", "model": "m"}
    instance = baton.create("/api/llm/instances", {**body, "api_key": "sk-test-1"})
    replaced = request("PUT", f"/api/llm/instances/{instance}", {**body, "model": "n"}).body
    assert (replaced["model"], replaced["has_api_key"], replaced["version"]) == ("n", True, 2)


def test_a_rejected_instance_stores_no_key(baton: Deployment) -> None:
    body = {"name": "i", "provider": "simulated", "model": "m"}
    baton.create("/api/llm/instances", body)
    assert_problem(request("POST", "/api/llm/instances", {**body, "api_key": "sk-test-1"}), 409, "name-taken", "'i'")
    assert baton.aws.ssm.describe_parameters()["Parameters"] == []


def test_a_definition_is_replaced_completely_and_may_be_renamed(baton: Deployment) -> None:
    block = baton.create("/api/blocks", {"title": "old", "content": "c", "tags": ["t"]})
    replaced = request("PUT", f"/api/blocks/{block}", {"title": "new", "content": "d"})
    assert (replaced.status, replaced.body["title"], replaced.body["tags"], replaced.body["version"]) == (
        200,
        "new",
        [],
        2,
    )
    assert baton.create("/api/blocks", {"title": "old", "content": "c"}) != block
    assert_problem(request("PUT", f"/api/blocks/{block}", {"title": "old", "content": "d"}), 409, "name-taken", "'old'")


@pytest.mark.parametrize("path", ["/api/blocks", "/api/payloads", "/api/workflows", "/api/llm/instances", "/api/runs"])
def test_a_list_is_read_completely_in_pages(baton: Deployment, path: str) -> None:
    baton.llm.script(*["x"] * 9)
    workflow = baton.workflow("a", "b", "c")
    for name in ("w2", "w3"):
        baton.create("/api/workflows", {"name": name, "payloads": [1]})
        baton.create("/api/llm/instances", {"name": name, "provider": "simulated", "model": "m"})
    for _ in range(3):
        baton.finish(baton.execute(workflow))
    first = request("GET", path, query={"limit": "2"}).body
    second = request("GET", path, query={"limit": "2", "cursor": first["cursor"]}).body
    ids = [entry["id"] for entry in first["items"] + second["items"]]
    assert ids == ([3, 2, 1] if path == "/api/runs" else [1, 2, 3])
    assert second["cursor"] is None


def test_runs_are_listed_by_workflow_and_by_status(baton: Deployment) -> None:
    baton.llm.script("x", "x")
    workflow = baton.workflow("a")
    other = baton.create("/api/workflows", {"name": "other", "payloads": [1]})
    done, waiting = baton.execute(workflow), baton.execute(other)
    baton.finish(done)
    baton.finish(waiting)
    listed = {
        name: [run["id"] for run in request("GET", "/api/runs", query=query).body["items"]]
        for name, query in {
            "workflow": {"workflow_id": str(other)},
            "status": {"status": "completed"},
            "both": {"workflow_id": str(workflow), "status": "completed"},
            "none": {"status": "failed"},
        }.items()
    }
    assert listed == {"workflow": [waiting], "status": [waiting, done], "both": [done], "none": []}


def test_responses_are_read_in_pages_with_their_prompts(baton: Deployment) -> None:
    baton.llm.script("x", "y", "z")
    run = baton.execute(baton.workflow("a", "b {{p0}}", "c"))
    baton.finish(run)
    first = request("GET", f"/api/runs/{run}/responses", query={"limit": "2"}).body
    rest = request("GET", f"/api/runs/{run}/responses", query={"cursor": first["cursor"]}).body
    read = [(entry["position"], entry["prompt"], entry["content"]) for entry in first["items"] + rest["items"]]
    assert read == [(0, "a", "x"), (1, "b x", "y"), (2, "c", "z")]
    assert rest["cursor"] is None


def test_a_long_answer_is_inserted_completely_into_the_next_prompt(baton: Deployment) -> None:
    """It is longer than a DynamoDB item, so it is stored in the bucket."""
    answer = "é" * 300_000
    baton.llm.script(answer, "ok")
    run = baton.finish(baton.execute(baton.workflow("a", "{{p0}}")))
    assert baton.llm.prompts[1] == answer
    assert run["responses"][0]["content"] == answer
    assert request("DELETE", f"/api/runs/{run['id']}").status == 204
    assert "Contents" not in baton.aws.s3.list_objects_v2(Bucket=baton.aws.texts_bucket)


def test_deleting_a_run_deletes_all_its_items(baton: Deployment) -> None:
    baton.llm.script("x")
    run = baton.execute(baton.workflow("a"))
    baton.finish(run)
    assert request("DELETE", f"/api/runs/{run}").status == 204
    assert_problem(request("GET", f"/api/runs/{run}"), 404, "not-found", f"run {run}")
    assert [item["pk"]["S"] for item in baton.aws.items(baton.aws.runs_table)] == ["default#COUNTER"]


def test_a_finished_run_can_be_neither_cancelled_nor_resumed(baton: Deployment) -> None:
    baton.llm.script("x")
    run = baton.execute(baton.workflow("a"))
    baton.finish(run)
    for verb in ("cancel", "resume"):
        assert_problem(request("POST", f"/api/runs/{run}/{verb}"), 409, "run-finished", f"Run {run}", "completed")


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("POST", "/api/execute/workflow/9", "workflow 9"),
        ("GET", "/api/execute/run/9", "run 9"),
        ("GET", "/api/runs/9", "run 9"),
        ("GET", "/api/runs/9/responses", "run 9"),
        ("DELETE", "/api/runs/9", "run 9"),
        ("POST", "/api/runs/9/cancel", "run 9"),
        ("POST", "/api/runs/9/resume", "run 9"),
        ("GET", "/api/blocks/9", "block 9"),
        ("GET", "/api/payloads/9", "payload 9"),
        ("GET", "/api/workflows/9", "workflow 9"),
        ("GET", "/api/llm/instances/9", "LLM instance 9"),
    ],
)
def test_an_unknown_resource_is_a_404_that_names_it(method: str, path: str, what: str) -> None:
    assert_problem(request(method, path), 404, "not-found", what)


def test_an_unknown_path_is_a_404() -> None:
    assert_problem(request("PATCH", "/api/nope"), 404, "no-such-call", "PATCH /api/nope")


@pytest.mark.parametrize(
    "path",
    ["/api/execute/run/x", "/api/execute/run/0", "/api/execute/run/-1", "/api/runs/1.5", "/api/runs/" + "9" * 30],
)
def test_an_invalid_run_id_is_rejected_with_the_parameter(path: str) -> None:
    assert_problem(request("GET", path), 422, "invalid-request", "run_id")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "body"),
        ("[]", "body"),
        ('"x"', "body"),
        ("[" * 200_000, "body"),
        ('{"variables": []}', "variables"),
        ('{"variables": {"": 1}}', "variables"),
        ('{"variables": {"a{b": 1}}', "variables"),
        ('{"variables": {"a": NaN}}', "NaN"),
        ('{"variables": {"a": "\\ud800"}}', "surrogate"),
        ('{"variables": {"a": 1e999}}', "1e999"),
        ('{"variables": {"a": ' + "9" * 5000 + "}}", "5,000 digits"),
        ('{"variables": {}, "x": 1}', "x"),
        ('{"variables": {"a": "' + "x" * 300_001 + '"}}', "variables"),
    ],
)
def test_an_invalid_body_is_rejected_with_the_field(baton: Deployment, text: str, field: str) -> None:
    workflow = baton.workflow("a")
    assert_problem(request("POST", f"/api/execute/workflow/{workflow}", text=text), 422, "invalid-request", field)
    assert request("GET", "/api/runs").body["items"] == []


def test_a_body_that_is_too_large_is_rejected() -> None:
    body = {"title": "t", "content": "x" * 1_000_001}
    assert_problem(request("POST", "/api/blocks", body), 413, "too-large", "1,000,000")


def test_a_body_of_another_media_type_is_rejected_with_the_accepted_type() -> None:
    answer = request("POST", "/api/blocks", text="{}", headers={"content-type": "application/x-www-form-urlencoded"})
    assert_problem(
        answer, 415, "unknown-media-type", "application/x-www-form-urlencoded", "Content-Type: application/json"
    )


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/blocks", {"content": "c"}, "title"),
        ("/api/blocks", {"title": "  ", "content": "c"}, "title"),
        ("/api/blocks", {"title": "t", "content": 1}, "content"),
        ("/api/blocks", {"title": "t", "content": "c", "tag": "a"}, "tag"),
        ("/api/blocks", {"title": "t", "content": "c", "tags": ["a", 1]}, "tags[1]"),
        ("/api/payloads", {"name": "p", "blocks": [], "llm_instance": 1}, "blocks"),
        ("/api/payloads", {"name": "p", "blocks": ["1"], "llm_instance": 1}, "blocks[0]"),
        ("/api/payloads", {"name": "p", "blocks": [9], "llm_instance": 1}, "no block 9"),
        ("/api/payloads", {"name": "p", "blocks": [1], "llm_instance": 9}, "no LLM instance 9"),
        ("/api/payloads", {"name": "{p}", "blocks": [1], "llm_instance": 1}, "name"),
        ("/api/payloads", {"name": "p", "blocks": [1], "llm_instance": 1, "temperature": 3}, "temperature"),
        ("/api/payloads", {"name": "p", "blocks": [1], "llm_instance": 1, "max_tokens": 0}, "max_tokens"),
        ("/api/workflows", {"name": "w", "payloads": [9]}, "no payload 9"),
        ("/api/workflows", {"name": "w", "payloads": [1] * 201}, "payloads"),
        ("/api/llm/instances", {"name": "i", "provider": "none", "model": "m"}, "provider"),
        ("/api/llm/instances", {"name": "i", "provider": "openai", "model": "m"}, "base_url"),
        ("/api/llm/instances", {"name": "i", "provider": "openai", "model": "m", "base_url": "ftp://x"}, "base_url"),
        (
            "/api/llm/instances",
            {"name": "i", "provider": "openai", "model": "m", "base_url": "http://u:p@x"},
            "base_url",
        ),
        (
            "/api/llm/instances",
            {"name": "i", "provider": "simulated", "model": "m", "timeout_seconds": 900},
            "timeout_s",
        ),
    ],
)
def test_an_invalid_definition_is_rejected_with_the_field(
    baton: Deployment, path: str, body: dict[str, Any], field: str
) -> None:
    baton.workflow("a")
    before = request("GET", path).body["items"]
    assert_problem(request("POST", path, body), 422, "invalid-request", field)
    assert request("GET", path).body["items"] == before


def test_a_workflow_without_payloads_cannot_be_executed(baton: Deployment) -> None:
    workflow = baton.create("/api/workflows", {"name": "empty"})
    assert_problem(request("POST", f"/api/execute/workflow/{workflow}"), 422, "invalid-request", "payloads")


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"cursor": "!"}, {"status": "odd"}]
)
def test_an_invalid_query_is_rejected_with_the_parameter(query: dict[str, str]) -> None:
    (parameter,) = query
    assert_problem(request("GET", "/api/runs", query=query), 422, "invalid-request", parameter)


def test_a_cursor_of_another_list_is_rejected(baton: Deployment) -> None:
    for title in ("a", "b"):
        baton.create("/api/blocks", {"title": title, "content": "c"})
    cursor = request("GET", "/api/blocks", query={"limit": "1"}).body["cursor"]
    assert_problem(request("GET", "/api/runs", query={"cursor": cursor}), 422, "invalid-request", "cursor")
