"""Texts larger than Lambda's limit for answers: they are shortened and marked, and can be read completely."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import boto3
import pytest
import requests

from baton.adapters.dynamodb.steps import DynamoStepStore
from baton.adapters.s3 import S3Texts
from baton.api.bodies.imports import ImportView
from baton.api.bodies.runs import RunView
from baton.api.budget import body_size
from baton.api.caller import DEFAULT_TENANT as TENANT
from baton.domain.catalog.definitions import Block, InlineBlock, LlmInstance, Payload, Workflow, new_definition
from baton.domain.files.workflow_imports import FileChange
from baton.domain.llm.endpoints import LlmTarget
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference
from baton.domain.runs.run import RunHistory
from baton.runtime import wiring
from baton.usecases.files.import_workflow_file import Imported
from tests.fakes.texts import FakeTexts
from tests.support.deployment import Deployment
from tests.support.environments import in_function
from tests.support.events import http_event
from tests.support.functions import answer_of, invoke, request
from tests.support.records import (
    AT_NOON,
    a_response,
    a_run,
    a_snapshot,
    an_endpoint,
    block_draft,
    instance_draft,
    payload_draft,
    workflow_draft,
)
from tests.support.routes import function_of
from tests.support.template import ROOT

LAMBDA_BYTES = 6_000_000
WORST = ['"', "\\", "\n", "\x01", "\x7f", "é", "語", "🙂", "x"]
MEMORY_KB = 128_000


def read(path: str, query: dict[str, str] | None = None) -> Any:
    """The body of a reply within Lambda's limit."""
    reply = invoke(function_of("GET", path), http_event("GET", path, query=query))
    assert len(json.dumps(reply)) < LAMBDA_BYTES
    assert reply["statusCode"] == 200, reply["body"]
    return json.loads(reply["body"])


def store(baton: Deployment, *contents: str, prompt: str = "p", **fields: Any) -> None:
    """Store a run with these answers."""
    run = a_run(tenant=TENANT, total=len(contents))
    in_function("runs_api", wiring.run_store).create(run, {"v": "x"}, [])
    texts = S3Texts(lambda: baton.aws.s3, baton.aws.texts_bucket)
    steps = DynamoStepStore(baton.aws.dynamodb, baton.aws.runs_table, texts)
    for position, content in enumerate(contents):
        steps.store_response(run, a_response(position, tenant=TENANT, content=content, prompt=prompt, **fields))


@pytest.mark.parametrize("character", WORST)
def test_a_run_with_large_responses_is_within_the_limit_of_lambda(baton: Deployment, character: str) -> None:
    references = [{"name": f"{number}" + character * 200, "source": "missing"} for number in range(100)]
    large = character * 3_000_000
    store(
        baton,
        large,
        "small",
        character * 90_000,
        large,
        "last",
        prompt=character * 200_000,
        metadata={"references": references},
    )
    run = read("/api/runs/1")
    assert run == read("/api/execute/run/1")
    listed = read("/api/runs/1/responses")["items"]
    for responses in (run["responses"], listed):
        assert [responses[position]["content"] for position in (1, 4)] == ["small", "last"]
        assert responses[2]["content"] == character * 90_000
        assert all(large.startswith(responses[position]["content"]) for position in (0, 3))
    assert read("/api/runs/1/responses", {"limit": "1"})["items"][0]["content_truncated"] == (character != "x")
    for position in range(5):
        assert read(f"/api/runs/1/responses/{position}")["position"] == position


def test_a_single_response_is_returned_completely_if_it_is_within_the_limit(baton: Deployment) -> None:
    store(baton, "x" * 3_000_000, "y" * 5_000_000)
    first, second = (read(f"/api/runs/1/responses/{position}") for position in range(2))
    assert (first["content"], second["content"]) == ("x" * 3_000_000, "y" * 5_000_000)
    for response in (first, second):
        assert (response["content_truncated"], response["content_url"], response["prompt_url"]) == (False, None, None)
    listed = read("/api/runs/1")["responses"]
    assert len(listed[0]["content"]) == 3_000_000
    assert listed[1]["content_truncated"]


def test_a_response_over_the_limit_can_be_read_at_its_url(baton: Deployment) -> None:
    content, prompt = '"' * 3_000_000, "é" * 2_000_000
    store(baton, content, "small", prompt=prompt)
    response = read("/api/runs/1/responses/0")
    assert response["content_truncated"]
    assert response["prompt_truncated"]
    assert content.startswith(response["content"])
    for url, whole in ((response["content_url"], content), (response["prompt_url"], prompt)):
        assert "X-Amz-Expires=300" in url
        assert "X-Amz-Signature=" in url
        fetched = requests.get(url, timeout=10)
        assert fetched.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert fetched.content.decode() == whole
    other = read("/api/runs/1/responses/1")
    assert (other["content"], other["content_url"]) == ("small", None)


def test_the_url_of_a_text_has_the_regional_host_on_aws_and_the_emulators_host_locally(
    baton: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = boto3.Session().region_name
    url = in_function("runs_api", wiring.long_texts).url("k", 9)
    assert url.startswith(f"https://{baton.aws.texts_bucket}.s3.{region}.amazonaws.com/k?")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    baton.aws.restart_functions()
    url = in_function("runs_api", wiring.long_texts).url("k", 9)
    assert url.startswith(f"http://localhost:4566/{baton.aws.texts_bucket}/k?")


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/runs/1/responses/1", 404, "There is no response of run 1 at position 1."),
        ("/api/runs/2/responses/0", 404, "There is no run 2."),
        ("/api/runs/1/responses/-1", 422, "position"),
        ("/api/runs/1/responses/x", 422, "position"),
    ],
)
def test_an_unknown_response_is_a_404_and_an_invalid_position_a_422(
    baton: Deployment, path: str, status: int, detail: str
) -> None:
    store(baton, "small")
    answer = request("GET", path)
    assert answer.status == status
    assert detail in answer.body["detail"]


@pytest.mark.parametrize("character", ['"', "\x01", "🙂"])
@pytest.mark.usefixtures("baton")
def test_a_large_definition_of_a_run_is_within_the_limit(character: str) -> None:
    settings = LlmSettings(system=character * 10_000)
    other = LlmTarget(endpoint=an_endpoint(), settings=settings)
    snapshots = [a_snapshot(position, template=character * 60_000, targets=(other, other)) for position in range(30)]
    in_function("runs_api", wiring.run_store).create(a_run(tenant=TENANT, total=30), {}, snapshots)
    payloads = read("/api/runs/1/definition")["payloads"]
    assert len(payloads) == 30
    assert payloads[-1]["template_truncated"]
    assert payloads[0]["settings"]["system"] == settings.system
    assert "system_truncated" not in payloads[0]["settings"]


@pytest.mark.usefixtures("baton")
def test_large_settings_of_a_run_definition_are_omitted_and_marked() -> None:
    options = {"text": '"' * 600_000}
    references = [Reference(name=f"{number:03d}" + "🙂" * 297, source="variable") for number in range(20)]
    large = LlmSettings(options=options, response_format={"description": "x" * 600_000}, stop=("END",))
    other = LlmTarget(endpoint=an_endpoint(), settings=LlmSettings(options=options))
    snapshots = [
        a_snapshot(0, targets=(replace(other, settings=LlmSettings(options={"small": 1})),), references=references[:2]),
        *(a_snapshot(n, targets=(replace(other, settings=large), other), references=references) for n in range(1, 12)),
    ]
    in_function("runs_api", wiring.run_store).create(a_run(tenant=TENANT, total=12), {}, snapshots)
    payloads = read("/api/runs/1/definition")["payloads"]
    first, last = payloads[0], payloads[-1]
    assert (first["settings"]["options"], len(first["references"])) == ({"small": 1}, 2)
    assert [payload["settings"]["stop"] for payload in payloads[1:]] == [["END"]] * 11
    assert last["settings"] | {"options": {}, "options_truncated": True} == last["settings"]
    assert last["settings"] | {"response_format": {}, "response_format_truncated": True} == last["settings"]
    assert last["fallbacks"][0]["settings"]["options_truncated"]
    marks = [name for payload in payloads for name in payload["settings"] if name.endswith("_truncated")]
    assert 0 < len(marks) < 22
    for payload in payloads:
        assert payload["template"] == "Say something."
        assert payload["references_truncated"] == (not payload["references"])


@pytest.mark.parametrize("media_type", ["application/yaml", "application/json"])
@pytest.mark.parametrize("character", ['"', "\\", "🙂", "é"])
@pytest.mark.usefixtures("baton")
def test_an_imported_file_of_any_characters_can_be_exported(character: str, media_type: str) -> None:
    """As a JSON string, 4 MB of them would exceed Lambda's limit."""
    catalog = in_function("catalog_api", wiring.catalog_store)
    written = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    contents = [character * (290_000 // written) + str(n) for n in range(13)]
    for n, content in enumerate(contents):
        block = new_definition(Block, block_draft(f"b{n}", content), n + 1, AT_NOON)
        catalog.create(TENANT, block, catalog.read_ledger(TENANT))
    definitions: list[Any] = [
        new_definition(LlmInstance, instance_draft("llm"), 1, AT_NOON),
        *(new_definition(Payload, payload_draft(f"p{n}", [n + 1], 1), n + 1, AT_NOON) for n in range(13)),
        new_definition(Workflow, workflow_draft("w", list(range(1, 14))), 1, AT_NOON),
    ]
    for definition in definitions:
        catalog.create(TENANT, definition, catalog.read_ledger(TENANT))
    path = "/api/workflows/1/export"
    reply = invoke(function_of("GET", path), http_event("GET", path, headers={"accept": media_type}))
    assert len(json.dumps(reply)) < LAMBDA_BYTES
    file = answer_of(reply)
    assert (file.status, file.headers["Content-Type"]) == (200, media_type)
    assert file.headers["Content-Length"] == str(len(file.text.encode()))
    again = request("POST", "/api/workflows/import", text=file.text, headers={"content-type": media_type})
    assert (again.status, again.body["changed"]) == (200, False)
    head = invoke(function_of("HEAD", path), http_event("HEAD", path, headers={"accept": media_type}))
    assert (head["body"], head["headers"]) == ("", reply["headers"])


@pytest.mark.usefixtures("baton")
def test_large_differences_of_an_import_are_omitted_and_marked() -> None:
    """The catalog contains more than a file could; the import is done before its answer is written."""
    catalog = in_function("catalog_api", wiring.catalog_store)
    catalog.create(TENANT, new_definition(LlmInstance, instance_draft("llm"), 1, AT_NOON), catalog.read_ledger(TENANT))
    long = [InlineBlock(content="🙂" * 300)] * 100
    for n in range(20):
        payload = new_definition(
            Payload, payload_draft(f"p{n}", long if n else [InlineBlock(content="x")], 1), n + 1, AT_NOON
        )
        catalog.create(TENANT, payload, catalog.read_ledger(TENANT))
    file = {
        "workflow": {"name": "w", "payloads": [f"p{n}" for n in range(20)]},
        "payloads": [{"name": f"p{n}", "blocks": [{"content": "new"}], "llm_instance": "llm"} for n in range(20)],
        "blocks": [],
    }
    reply = invoke("catalog_api", http_event("POST", "/api/workflows/import", json.dumps(file)))
    assert len(json.dumps(reply)) < LAMBDA_BYTES
    answer = answer_of(reply)
    assert (answer.status, answer.body["changed"], answer.body["changes_truncated"]) == (200, True, False)
    changes = answer.body["changes"]
    assert [change["action"] for change in changes] == ["replace"] * 20 + ["create"]
    assert changes[0]["differences"]
    cut = [change for change in changes if change["differences_truncated"]]
    assert 0 < len(cut) < 20
    assert all(change["differences"] == {} for change in cut)


def test_the_list_of_changes_of_an_import_is_cut_at_the_limit() -> None:
    changes = tuple(FileChange(kind="BLOCK", name="🙂" * 200, action="create", differences={}) for _ in range(20_000))
    answer = ImportView.of(Imported(changes=changes, workflow_id=None), dry_run=True)
    assert answer.changes_truncated
    assert 1_000 < len(answer.changes) < 20_000
    assert body_size(answer.model_dump_json()) < LAMBDA_BYTES


@pytest.mark.usefixtures("baton")
def test_a_system_text_over_the_limit_is_cut_and_marked() -> None:
    settings = LlmSettings(system='"' * 60_000)
    snapshots = [
        a_snapshot(position, template="short", targets=(LlmTarget(endpoint=an_endpoint(), settings=settings),))
        for position in range(30)
    ]
    in_function("runs_api", wiring.run_store).create(a_run(tenant=TENANT, total=30), {}, snapshots)
    payloads = read("/api/runs/1/definition")["payloads"]
    assert payloads[0]["settings"]["system"] == settings.system
    assert payloads[-1]["settings"] | {"system": ""} == payloads[0]["settings"] | {
        "system": "",
        "system_truncated": True,
    }


@pytest.mark.parametrize("path", ["/api/blocks", "/api/payloads", "/api/workflows"])
@pytest.mark.usefixtures("baton")
def test_a_list_of_large_definitions_is_read_completely_in_pages_within_the_limit(path: str) -> None:
    """Control characters have seven bytes as JSON; titles and names in a page are stored in other items."""
    catalog = in_function("catalog_api", wiring.catalog_store)
    ledger = catalog.read_ledger(TENANT)
    if path == "/api/blocks":
        drafts: list[Any] = [(Block, block_draft(f"b{n}", "\x01" * 60_000)) for n in range(16)]
    else:
        name = "🙂" * 195
        for n in range(100):
            block = block_draft(f"{n}{name}", "c")
            catalog.create(TENANT, new_definition(Block, block, n + 1, AT_NOON), ledger)
        payload = payload_draft("p", list(range(1, 101)), 1)
        drafts = [(Payload, payload_draft(f"{n}{name}", list(range(1, 101)), 1)) for n in range(30)]
        if path == "/api/workflows":
            for n, (_, payload) in enumerate(drafts):
                catalog.create(TENANT, new_definition(Payload, payload, n + 1, AT_NOON), ledger)
            drafts = [(Workflow, workflow_draft(f"w{n}", [1 + i % 30 for i in range(200)])) for n in range(16)]
    for n, (kind, draft) in enumerate(drafts):
        catalog.create(TENANT, new_definition(kind, draft, n + 1, AT_NOON), ledger)
    ids: list[int] = []
    query = {"limit": "100"}
    for _ in drafts:
        page = read(path, query)
        ids += [definition["id"] for definition in page["items"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert ids == list(range(1, len(drafts) + 1))


def test_a_preflight_of_large_prompts_is_within_the_limit(baton: Deployment) -> None:
    blocks = [InlineBlock(content='"' * 60_000)]
    catalog = in_function("catalog_api", wiring.catalog_store)
    workflow = baton.workflow("a")
    ledger = catalog.read_ledger(TENANT)
    drafts = [payload_draft(f"q{n}", blocks, 1) for n in range(30)]
    for n, draft in enumerate(drafts):
        catalog.create(TENANT, new_definition(Payload, draft, n + 2, AT_NOON), ledger)
    catalog.create(
        TENANT, new_definition(Workflow, workflow_draft("large", list(range(1, 32))), workflow + 1, AT_NOON), ledger
    )
    reply = invoke("catalog_api", http_event("POST", f"/api/workflows/{workflow + 1}/preflight"))
    assert len(json.dumps(reply)) < LAMBDA_BYTES
    assert reply["statusCode"] == 200, reply["body"]
    payloads = json.loads(reply["body"])["payloads"]
    assert [payload["prompt_truncated"] for payload in payloads] == [*[False] * 25, *[True] * 6]


@pytest.mark.parametrize(
    "body",
    [
        {"x" * 900_000: 1},
        {"\x01" * 150_000: 1},
        {f"{number}": 1 for number in range(60_000)},
        {"variables": {f"{{{number}}}": 1 for number in range(60_000)}},
    ],
)
@pytest.mark.usefixtures("baton")
def test_a_problem_about_long_or_many_names_is_short(body: dict[str, Any]) -> None:
    reply = invoke(
        "runs_api",
        http_event("POST", "/api/execute/workflow/1", json.dumps(body))
        | {"headers": {"content-type": "application/json"}},
    )
    assert reply["statusCode"] == 422
    assert len(json.dumps(reply)) < 1_000_000


@pytest.mark.usefixtures("baton")
def test_a_body_over_the_limit_is_replaced_by_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: Any) -> Any:
        history = RunHistory(run=a_run(error='"' * 3_000_000), variables={}, responses=())
        return whole(history, FakeTexts())

    whole = RunView.of_history
    monkeypatch.setattr(RunView, "of_history", too_large)
    in_function("runs_api", wiring.run_store).create(a_run(tenant=TENANT), {}, [])
    answer = request("GET", "/api/runs/1")
    assert (answer.status, answer.body["type"]) == (500, "internal-error")
    assert "6 MB" in answer.body["detail"]


@pytest.mark.parametrize("path", ["/api/runs/1", "/api/runs/1/responses", "/api/runs/1/responses/0"])
def test_a_run_of_forty_answers_of_three_megabytes_is_read_within_128_mb(path: str) -> None:
    measured = read_in_process(path)
    assert measured["status"] == 200
    assert 5_000_000 < measured["sent"] < LAMBDA_BYTES
    assert measured["kilobytes"] < MEMORY_KB


def test_a_run_of_two_hundred_long_answers_is_sent_to_a_late_subscriber_within_128_mb() -> None:
    """Each answer is cut to the 128 KB of one message of API Gateway."""
    measured = read_in_process("subscribe")
    assert (measured["status"], measured["frames"]) == (200, 401)
    assert 100_000 < measured["largest"] < 128 * 1024
    assert measured["kilobytes"] < MEMORY_KB


def read_in_process(path: str) -> Any:
    """The measurements of a function in a new process."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "large_run.py"), path],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
