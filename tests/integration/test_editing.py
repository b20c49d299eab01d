"""Definitions are edited and deleted: versions, references, searches, and concurrent runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.deployment import Deployment
from tests.support.functions import invoke, request
from tests.support.problems import assert_problem

pytestmark = pytest.mark.usefixtures("baton")

BLOCK = {"title": "t", "content": "c"}
INSTANCE = {"name": "i", "provider": "simulated", "model": "m"}


def test_every_read_has_the_version_that_an_edit_can_require() -> None:
    created = request("POST", "/api/blocks", BLOCK)
    path = created.headers["Location"]
    assert (created.body["version"], created.headers["ETag"]) == (1, '"1"')
    replaced = request("PUT", path, BLOCK, headers={"if-match": '"1"'})
    assert (replaced.status, replaced.body["version"], replaced.headers["ETag"]) == (200, 2, '"2"')
    assert request("GET", path).headers["ETag"] == '"2"'


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_stale_edit_is_rejected_and_changes_nothing(baton: Deployment, method: str) -> None:
    path = f"/api/blocks/{baton.create('/api/blocks', BLOCK)}"
    current = request("PUT", path, {**BLOCK, "content": "mine"}).body
    body = BLOCK if method == "PUT" else None
    for stale in ('"1"', 'W/"2"', '"7", "8"', '"x"'):
        assert_problem(request(method, path, body, headers={"if-match": stale}), 412, "version-changed", "block 1")
    assert request("GET", path).body == current


@pytest.mark.parametrize("tags", ['"1"', "*", '"9", "1"', None])
def test_an_edit_of_the_current_or_of_any_version_is_made(baton: Deployment, tags: str | None) -> None:
    path = f"/api/blocks/{baton.create('/api/blocks', BLOCK)}"
    assert request("DELETE", path, headers={"if-match": tags} if tags else {}).status == 204
    assert_problem(request("GET", path), 404, "not-found", "block 1")


def test_an_if_match_that_is_no_etag_is_rejected(baton: Deployment) -> None:
    path = f"/api/blocks/{baton.create('/api/blocks', BLOCK)}"
    assert_problem(request("PUT", path, BLOCK, headers={"if-match": "1"}), 422, "invalid-request", "If-Match", '"3"')


@pytest.mark.parametrize(
    ("path", "user"),
    [
        ("/api/blocks/1", {"kind": "PAYLOAD", "id": 1, "name": "p0"}),
        ("/api/llm/instances/1", {"kind": "PAYLOAD", "id": 1, "name": "p0"}),
        ("/api/payloads/1", {"kind": "WORKFLOW", "id": 1, "name": "w"}),
    ],
)
def test_a_definition_in_use_is_not_deleted_and_its_referrers_are_named(
    baton: Deployment, path: str, user: dict[str, Any]
) -> None:
    baton.workflow("a")
    refused = request("DELETE", path)
    assert_problem(refused, 409, "in-use", user["name"])
    assert refused.body["users"] == [user]
    assert request("GET", path).status == 200


def test_definitions_are_deleted_after_their_referrers(baton: Deployment) -> None:
    baton.workflow("a")
    for path in ("/api/workflows/1", "/api/payloads/1", "/api/blocks/1", "/api/llm/instances/1"):
        assert request("DELETE", path).status == 204
    left = {item["pk"]["S"] for item in baton.aws.items(baton.aws.catalog_table)}
    assert left == {"default#COUNTER", "default#LEDGER"}
    assert baton.aws.ssm.describe_parameters()["Parameters"] == []


def test_the_key_of_a_deleted_instance_is_deleted(baton: Deployment) -> None:
    instance = baton.create("/api/llm/instances", {**INSTANCE, "api_key": "sk-test-1"})
    assert request("DELETE", f"/api/llm/instances/{instance}").status == 204
    assert baton.aws.ssm.describe_parameters()["Parameters"] == []


def test_a_name_is_available_after_its_definition_is_deleted(baton: Deployment) -> None:
    first = baton.create("/api/blocks", BLOCK)
    request("DELETE", f"/api/blocks/{first}")
    assert baton.create("/api/blocks", BLOCK) == first + 1


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({"q": "GREET"}, ["Greeting", "Farewell"]),
        ({"tag": "a"}, ["Greeting", "Other"]),
        ({"folder_path": "/x"}, ["Greeting", "Farewell"]),
        ({"folder_path": "/x/y/"}, ["Farewell"]),
        ({"folder_path": "/"}, ["Greeting", "Farewell", "Other"]),
        ({"q": "greet", "tag": "a", "folder_path": "/x"}, ["Greeting"]),
        ({"q": "nowhere"}, []),
    ],
)
def test_blocks_are_found_by_text_tag_and_folder(baton: Deployment, query: dict[str, str], titles: list[str]) -> None:
    for title, content, tags, folder in (
        ("Greeting", "Hi.", ["a", "b"], "/x"),
        ("Farewell", "As we greeted.", [], "/x/y"),
        ("Other", "…", ["a"], "/xyz"),
    ):
        baton.create("/api/blocks", {"title": title, "content": content, "tags": tags, "folder_path": folder})
    assert [block["title"] for block in request("GET", "/api/blocks", query=query).body["items"]] == titles


@pytest.mark.parametrize(("path", "body"), [("/api/blocks", {}), ("/api/payloads", {"llm_instance": 1})])
def test_large_definitions_are_listed_in_short_pages_to_the_end(
    baton: Deployment, path: str, body: dict[str, Any]
) -> None:
    """Blocks of two-byte characters; payloads of which a fourth one exceeds the maximum."""
    baton.create("/api/llm/instances", INSTANCE)
    for number in range(8):
        if path == "/api/blocks":
            baton.create(path, {"title": f"b{number}", "content": "é" * 60_000})
        else:
            baton.create(path, {**body, "name": f"p{number}", "blocks": [{"content": "x" * 58_000}] * 5})
    ids, query = [], {"limit": "100"}
    while True:
        page = request("GET", path, query=query).body
        assert len(json.dumps(page, ensure_ascii=False).encode()) < 1_000_000
        ids += [definition["id"] for definition in page["items"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert ids == list(range(1, 9))


def test_a_run_uses_the_definition_that_it_was_started_with(baton: Deployment) -> None:
    """While its first payload is executed, all definitions are renamed, replaced or deleted."""
    workflow = baton.workflow("Say {{what}}.", "Repeat {{p0}}.")
    definition: dict[str, Any] = {}

    def edited_meanwhile(event: dict[str, Any]) -> dict[str, Any]:
        if event["position"] == 0:
            definition.update(request("GET", "/api/runs/1/definition").body)
            assert request("PUT", "/api/blocks/2", {"title": "new", "content": "Forget it."}).status == 200
            payload = {"name": "renamed", "blocks": [2], "llm_instance": 1}
            assert request("PUT", "/api/payloads/1", payload).status == 200
            assert request("DELETE", f"/api/workflows/{workflow}").status == 204
            assert request("DELETE", "/api/payloads/2").status == 204
            assert request("DELETE", "/api/blocks/1").status == 204
        return invoke("execute_payload", event)

    baton.payload_function = edited_meanwhile
    baton.llm.script("hello", "bye")
    run = baton.finish(baton.execute(workflow, what="hi"))
    assert baton.llm.prompts == ["Say hi.", "Repeat hello."]
    assert [response["payload_name"] for response in run["responses"]] == ["p0", "p1"]
    assert request("GET", "/api/runs/1/definition").body == definition
    assert [payload["template"] for payload in definition["payloads"]] == ["Say {{what}}.", "Repeat {{p0}}."]
    assert definition["payloads"][1]["references"] == [
        {"name": "p0", "where": "prompt", "source": "response", "position": 0}
    ]


def test_a_payload_may_have_inline_blocks(baton: Deployment) -> None:
    block = baton.create("/api/blocks", BLOCK)
    instance = baton.create("/api/llm/instances", {**INSTANCE, "provider": "scripted"})
    sent = {"name": "p", "blocks": [{"content": "first {{v}}"}, block], "llm_instance": instance}
    payload = request("POST", "/api/payloads", sent).body
    assert payload["blocks"] == [
        {"id": None, "title": None, "content": "first {{v}}", "order_index": 0},
        {"id": block, "title": "t", "order_index": 1},
    ]
    baton.llm.script("x")
    baton.finish(baton.execute(baton.create("/api/workflows", {"name": "w", "payloads": [payload["id"]]}), v="1"))
    assert baton.llm.prompts == ["first 1\n\nc"]


def test_a_reference_reads_into_a_json_answer(baton: Deployment) -> None:
    baton.llm.script('{"items": [{"title": "Relay", "n": 3}], "none": null}', "x")
    workflow = baton.workflow("a", "{{p0.items[0].title}} {{ p0.items[0] }} {{p0.items[9].n}} {{p0.title}}")
    run = baton.finish(baton.execute(workflow))
    assert baton.llm.prompts[1] == 'Relay {"title": "Relay", "n": 3} {{p0.items[9].n}} {{p0.title}}'
    assert run["responses"][1]["metadata"]["references"] == [
        {"name": "p0.items[0].title", "where": "prompt", "source": "response", "position": 0},
        {"name": "p0.items[0]", "where": "prompt", "source": "response", "position": 0},
        {"name": "p0.items[9].n", "where": "prompt", "source": "missing"},
        {"name": "p0.title", "where": "prompt", "source": "missing"},
    ]


def execute(workflow: int, on_missing: str) -> Any:
    return request("POST", f"/api/execute/workflow/{workflow}", {"on_missing": on_missing})


def test_a_missing_reference_can_be_removed(baton: Deployment) -> None:
    baton.llm.script("no json", "x")
    workflow = baton.workflow("a{{b}}c", "<{{p0.title}}>")
    baton.finish(execute(workflow, "empty").body["runId"])
    assert baton.llm.prompts == ["ac", "<>"]


def test_with_on_missing_fail_a_run_with_an_unresolvable_reference_is_not_started(baton: Deployment) -> None:
    workflow = baton.workflow("{{a}} {{p1}}", "{{p0}} {{b}}")
    assert_problem(execute(workflow, "fail"), 422, "invalid-request", "{{a}} in 'p0'", "{{p1}}", "{{b}} in 'p1'")
    assert request("GET", "/api/runs").body["items"] == []


def test_with_on_missing_fail_a_run_fails_where_an_answer_lacks_a_referenced_value(baton: Deployment) -> None:
    baton.llm.script("no json")
    workflow = baton.workflow("a", "{{p0.title}}")
    run = baton.finish(execute(workflow, "fail").body["runId"])
    assert run["status"] == "failed"
    assert "'p1'" in run["metadata"]["error"]
    assert "{{p0.title}}" in run["metadata"]["error"]


def test_an_unknown_on_missing_is_rejected(baton: Deployment) -> None:
    assert_problem(execute(baton.workflow("a"), "ignore"), 422, "invalid-request", "on_missing")


def test_a_preflight_returns_prompts_and_sources_without_calling_an_llm(baton: Deployment) -> None:
    workflow = baton.workflow("Say {{what}} {{p1}}.", "Repeat {{p0}} {{p0.x}} {{nobody}}.")
    view = request("POST", f"/api/workflows/{workflow}/preflight", {"variables": {"what": "hi"}})
    assert view.status == 200
    assert [payload["prompt"] for payload in view.body["payloads"]] == [
        "Say hi {{p1}}.",
        "Repeat {{p0}} {{p0.x}} {{nobody}}.",
    ]
    assert [payload["references"] for payload in view.body["payloads"]] == [
        [
            {"name": "what", "where": "prompt", "source": "variable"},
            {"name": "p1", "where": "prompt", "source": "later", "position": 1},
        ],
        [
            {"name": "p0", "where": "prompt", "source": "response", "position": 0},
            {"name": "p0.x", "where": "prompt", "source": "response", "position": 0},
            {"name": "nobody", "where": "prompt", "source": "missing"},
        ],
    ]
    assert len(view.body["warnings"]) == 2
    assert view.body["estimate"]["cost"] is None
    assert baton.llm.calls == []


def test_a_preflight_estimates_tokens_and_cost(baton: Deployment) -> None:
    price = {"prompt": 2, "completion": 10}
    instance = baton.create("/api/llm/instances", {**INSTANCE, "price": price})
    block = baton.create("/api/blocks", {"title": "t", "content": "x" * 4000})
    payload = {"name": "p", "blocks": [block], "llm_instance": instance, "max_tokens": 100}
    workflow = baton.create("/api/workflows", {"name": "w", "payloads": [baton.create("/api/payloads", payload)]})
    estimate = request("POST", f"/api/workflows/{workflow}/preflight").body["estimate"]
    assert estimate == {"prompt_tokens": 1000, "completion_tokens": 100, "cost": pytest.approx(0.003)}


def test_a_preflight_reports_a_payload_that_occurs_twice(baton: Deployment) -> None:
    baton.workflow("a")
    workflow = baton.create("/api/workflows", {"name": "twice", "payloads": [1, 1]})
    (warning,) = request("POST", f"/api/workflows/{workflow}/preflight").body["warnings"]
    assert "'p0' (position 1)" in warning
    assert "position 0 too" in warning


def test_a_payload_with_too_many_references_is_rejected(baton: Deployment) -> None:
    workflow = baton.workflow(" ".join(f"{{{{v{number}}}}}" for number in range(101)))
    variables = {f"v{number}": "x" for number in range(101)}
    refused = request("POST", f"/api/execute/workflow/{workflow}", {"variables": variables})
    assert_problem(refused, 422, "invalid-request", "blocks", "100")


def test_a_preflight_shows_the_system_text_and_literal_references(baton: Deployment) -> None:
    instance = baton.create("/api/llm/instances", {**INSTANCE, "defaults": {"system": r"As {{user.role}}, \{{x}}"}})
    payload = {"name": "p", "blocks": [{"content": r"\{{user}} {{user.name}}"}], "llm_instance": instance}
    workflow = baton.create("/api/workflows", {"name": "w", "payloads": [baton.create("/api/payloads", payload)]})
    variables = {"variables": {"user": {"name": "Ada", "role": "clerk"}}}
    (view,) = request("POST", f"/api/workflows/{workflow}/preflight", variables).body["payloads"]
    assert (view["prompt"], view["system"]) == ("{{user}} Ada", "As clerk, {{x}}")
    assert [(reference["name"], reference["where"]) for reference in view["references"]] == [
        ("user.name", "prompt"),
        ("user.role", "system"),
    ]


def test_an_unset_setting_does_not_get_the_default_of_the_instance(baton: Deployment) -> None:
    defaults = {"temperature": 0.5, "max_tokens": 9, "system": "Be brief.", "options": {"a": 1}, "seed": None}
    instance = baton.create("/api/llm/instances", {**INSTANCE, "provider": "scripted", "defaults": defaults})
    view = request("GET", f"/api/llm/instances/{instance}").body["defaults"]
    assert view == {"temperature": 0.5, "max_tokens": 9, "system": "Be brief.", "options": {"a": 1}}
    unset = {"temperature": None, "system": None, "options": None}
    sent = {"name": "p", "blocks": [{"content": "x"}], "llm_instance": instance, **unset}
    payload = baton.create("/api/payloads", sent)
    read = request("GET", f"/api/payloads/{payload}").body
    assert {name: read[name] for name in unset} == unset
    assert not {"max_tokens", "top_p", "stop", "seed", "model", "timeout_seconds", "stream"} & read.keys()
    workflow = baton.create("/api/workflows", {"name": "w", "payloads": [payload]})
    baton.llm.script("x")
    baton.finish(baton.execute(workflow))
    settings = baton.llm.calls[0].settings
    assert (settings.temperature, settings.max_tokens, settings.system, settings.options) == (None, 9, None, {})
    (view,) = request("GET", "/api/runs/1/definition").body["payloads"]
    assert (view["settings"]["temperature"], view["settings"]["max_tokens"]) == (None, 9)
    assert "unset" not in view["settings"]


def test_a_file_distinguishes_unset_settings_from_absent_ones(baton: Deployment) -> None:
    instance = baton.create("/api/llm/instances", INSTANCE)
    body = {"name": "p", "blocks": [{"content": "x"}], "llm_instance": instance, "temperature": None, "seed": None}
    payload = baton.create("/api/payloads", body)
    workflow = baton.create("/api/workflows", {"name": "w", "payloads": [payload]})
    headers = {"accept": "application/json"}
    exported = request("GET", f"/api/workflows/{workflow}/export", headers=headers).body
    assert exported["payloads"][0].items() >= {"temperature": None, "seed": None}.items()
    assert request("POST", "/api/workflows/import", exported).body["changed"] is False
    request("PUT", f"/api/payloads/{payload}", {name: value for name, value in body.items() if name != "seed"})
    imported = request("POST", "/api/workflows/import", exported).body
    assert [change["action"] for change in imported["changes"]] == ["replace", "keep"]
    assert list(imported["changes"][0]["differences"]) == ["seed"]
    assert request("GET", f"/api/workflows/{workflow}/export", headers=headers).body == exported


def test_a_workflow_of_200_payloads_completes(baton: Deployment) -> None:
    baton.llm.script(*["x"] * 200)
    baton.workflow("a {{p0}}")
    workflow = baton.create("/api/workflows", {"name": "long", "payloads": [1] * 200})
    run = baton.finish(baton.execute(workflow))
    assert (run["status"], len(run["responses"])) == ("completed", 200)


@pytest.mark.parametrize("text", ["x" * 300_000, "x" * 231_000, "é" * 150_000, '"' * 300_000])
def test_a_block_and_a_system_text_may_have_300_kb(baton: Deployment, text: str) -> None:
    block = baton.create("/api/blocks", {"title": "t", "content": text})
    assert request("GET", f"/api/blocks/{block}").body["content"] == text
    instance = baton.create("/api/llm/instances", {**INSTANCE, "provider": "scripted", "defaults": {"system": text}})
    payload = {"name": "p", "blocks": [block, {"content": "{{topic}}"}], "llm_instance": instance}
    workflow = baton.create("/api/workflows", {"name": "w", "payloads": [baton.create("/api/payloads", payload)]})
    baton.llm.script("x")
    run = baton.finish(baton.execute(workflow, topic="relays"))
    assert run["status"] == "completed"
    (call,) = baton.llm.calls
    assert (call.prompt, call.settings.system) == (f"{text}\n\nrelays", text)


@pytest.mark.parametrize("text", ["x" * 300_001, "é" * 150_001])
def test_a_longer_text_is_rejected_by_its_bytes(text: str) -> None:
    sent = request("POST", "/api/blocks", {"title": "t", "content": text})
    assert_problem(sent, 422, "invalid-request", "content", "300,000")
    defaults = {**INSTANCE, "defaults": {"system": text}}
    assert_problem(request("POST", "/api/llm/instances", defaults), 422, "invalid-request", "system", "300,000")


def test_a_large_workflow_is_exported_and_imported_again(baton: Deployment) -> None:
    block = baton.create("/api/blocks", {"title": "t", "content": "é" * 150_000})
    instance = baton.create("/api/llm/instances", INSTANCE)
    parts = [block, block, {"content": "y" * 300_000}]
    payload = {"name": "p", "blocks": parts, "llm_instance": instance, "system": "z" * 300_000}
    payload_id = baton.create("/api/payloads", payload)
    workflow = baton.create("/api/workflows", {"name": "w", "payloads": [payload_id]})
    headers = {"accept": "application/json"}
    exported = request("GET", f"/api/workflows/{workflow}/export", headers=headers).body
    assert request("POST", "/api/workflows/import", exported).body["changed"] is False
    assert request("PUT", f"/api/payloads/{payload_id}", {**payload, "blocks": [block]}).status == 200
    assert request("POST", "/api/workflows/import", exported).body["changed"] is True
    assert request("GET", f"/api/workflows/{workflow}/export", headers=headers).body == exported
