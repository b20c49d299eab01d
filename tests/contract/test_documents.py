"""The documents agree with the repository: links, paths, targets, routes, and every command."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore import xform_name
from jsonschema import Draft202012Validator

from baton.api.bodies.workflow_files import json_schema
from local import record
from tests.support.deployment import Deployment, deployment
from tests.support.documents import (
    HTTP_URL,
    WEBSOCKET_URL,
    CurlRequest,
    Document,
    commands,
    curl_request,
    documents,
    operation_of,
)
from tests.support.functions import request
from tests.support.template import ROOT

PACKAGE = ROOT / "layers" / "baton" / "baton"
DECISIONS = ROOT / "docs" / "decisions"
MAKE_VARIABLES = {"PORT", "DISCARD", "ONLY", "LLM", "LLM_BASE_URL", "LLM_MODEL", "LLM_API_KEY"}
ENVIRONMENTS = set(tomllib.loads((ROOT / "samconfig.toml").read_text())) - {"version", "local"}
GLOBAL_OPTIONS = {"query", "output"}
"""Of every command of the AWS CLI."""

MADE_BY_TOOLS = (".venv", ".local", ".aws-sam")
PATH = re.compile(r"\.?[\w-][\w.-]*(/[\w.-]+)*/?")
CALL = re.compile(r"\b(GET|POST|PUT|DELETE|HEAD|PATCH) (/[\w/{}:.\-]*)")

every_document = pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def curl_requests() -> list[tuple[str, CurlRequest]]:
    """Every curl command of every document, with the document's name."""
    return [
        (document.name, curl_request(command))
        for document in documents()
        for command in document.commands()
        if command[0] == "curl"
    ]


def test_all_documents_are_found() -> None:
    names = {document.name for document in documents()}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/design.md", "docs/decisions/README.md"} <= names
    assert curl_requests()


@every_document
def test_every_relative_link_and_its_anchor_exist(document: Document) -> None:
    for link in document.links():
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.path.parent / path).resolve() if path else document.path
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in Document(target).anchors(), link


@every_document
def test_every_make_target_exists(document: Document) -> None:
    for span in (span for span in document.code_spans() if span.startswith("make ")):
        assert_is_make_command(span.split())


@every_document
def test_every_path_of_the_repository_exists(document: Document) -> None:
    """A path starts at the root of the repository, at the package, or at one of its layers."""
    for span in document.code_spans():
        if PATH.fullmatch(span) and "NAME" not in span:
            assert_path_exists(span)


def assert_path_exists(path: str) -> None:
    first = path.split("/", maxsplit=1)[0]
    if first in MADE_BY_TOOLS:
        return
    if (ROOT / first).is_dir() and "/" in path:
        assert (ROOT / path).exists(), path
    elif (PACKAGE / first).is_dir() and "/" in path:
        assert (PACKAGE / path).exists(), path
    elif "/" not in path and Path(path).suffix in (".md", ".toml", ".py"):
        assert (ROOT / path).exists() or list(PACKAGE.rglob(path)), path


@every_document
def test_every_call_of_the_http_api_exists(document: Document) -> None:
    text = re.sub(r"\{\{.*?\}\}", "", document.text)
    for method, path in CALL.findall(text):
        documented = "GET" if method == "HEAD" else method
        assert operation_of(documented, path.rstrip("/.") or "/"), f"{method} {path}"
    for span in (span for span in document.code_spans() if span.startswith("/api/")):
        assert any(operation_of(method, span) for method in ("GET", "POST", "PUT", "DELETE")), span


@every_document
def test_json_and_yaml_blocks_can_be_parsed(document: Document) -> None:
    """``{ ... }`` and ``[ ... ]`` are values that a document leaves out."""
    for block in document.blocks("json"):
        json.loads(block.replace("{ ... }", "{}").replace("[ ... ]", "[]"))
    for block in document.blocks("yaml"):
        parsed = yaml.safe_load(block)
        if "workflow" in parsed:
            Draft202012Validator(json_schema()).validate(parsed)


@every_document
def test_every_command_is_of_a_known_kind(document: Document) -> None:
    for command in document.commands():
        match command:
            case ["make", *_]:
                assert_is_make_command(command)
            case ["curl", *_]:
                sent = curl_request(command)
                assert sent.url.startswith(f"{HTTP_URL}/"), command
                assert operation_of(sent.method, sent.path), command
            case ["sam", *_]:
                assert_is_sam_command(command)
            case ["aws", *_]:
                assert_is_aws_command(command)
            case [".venv/bin/python", "-m", module, "HTTP_URL"] | [".venv/bin/python", "-m", module, "STACK", *_]:
                assert (ROOT / f"{module.replace('.', '/')}.py").exists()
            case [".venv/bin/websockets", url]:
                assert url == WEBSOCKET_URL
            case _:
                raise AssertionError(command)


def test_the_workflow_for_github_actions_runs_existing_commands_with_a_role_and_without_stored_keys() -> None:
    """``on`` is a boolean in YAML 1.1, as which it is parsed here; GitHub reads YAML 1.2."""
    (block,) = Document(ROOT / "docs" / "operations" / "deploy.md").blocks("yaml")
    workflow = yaml.safe_load(block)
    assert set(workflow) == {"name", True, "concurrency", "permissions", "env", "jobs"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    jobs = workflow["jobs"]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "test": None,
        "staging": "test",
        "prod": "staging",
    }
    steps = {step.get("name", step.get("run", step.get("uses"))): step for step in jobs["prod"]["steps"]}
    assert [name for name in steps if name[0].isupper()] == ["Build", "Show the change set", "Deploy", "Smoke test"]
    for name in ("staging", "prod"):
        assert jobs[name]["steps"] == jobs["prod"]["steps"]
        assert (jobs[name]["environment"], jobs[name]["env"]["ENVIRONMENT"]) == (name, name)
        assert name in ENVIRONMENTS
        assert jobs[name]["permissions"]["id-token"] == "write"
    assert "id-token" not in workflow["permissions"] | jobs["test"].get("permissions", {})
    assert "secrets." not in block
    for job in jobs.values():
        for step in job["steps"]:
            assert_commands_exist(step.get("run", ""))


def assert_commands_exist(script: str) -> None:
    for command in commands(re.sub(r"\w+=\$\((.*?)\)", r"\1", script, flags=re.DOTALL)):
        match command:
            case ["make", *_]:
                assert_is_make_command(command)
            case [".venv/bin/sam", *options]:
                assert_is_sam_command(["sam", *options])
            case ["aws", *_]:
                assert_is_aws_command(command)
            case [".venv/bin/python", "-m", module, "$url"]:
                assert (ROOT / f"{module.replace('.', '/')}.py").exists()
            case _:
                raise AssertionError(command)


def assert_is_make_command(words: list[str]) -> None:
    _, target, *variables = words
    assert target in make_targets(), words
    assert {variable.partition("=")[0] for variable in variables} <= MAKE_VARIABLES, words


def assert_is_sam_command(words: list[str]) -> None:
    """Build and deployment of one environment, so that both have its parameters."""
    _, name, option, environment, *more = words
    assert name in ("build", "deploy", "delete"), words
    assert option == "--config-env"
    assert environment in ENVIRONMENTS | {"$ENVIRONMENT"}, words
    assert set(more) <= {"--no-confirm-changeset", "--no-execute-changeset"}, words


def assert_is_aws_command(words: list[str]) -> None:
    """An operation of the service, with parameters that it has."""
    _, service, name, *options = words
    if (service, name) == ("s3", "rb"):  # a command of the AWS CLI alone
        return
    model = botocore.session.get_session().get_service_model(service)
    (operation,) = [each for each in model.operation_names if xform_name(each, "-") == name]
    shape = model.operation_model(operation).input_shape
    known = {xform_name(member, "-") for member in (shape.members if shape else {})} | GLOBAL_OPTIONS
    given = [option.removeprefix("--").removeprefix("no-") for option in options if option.startswith("--")]
    assert set(given) <= known, words


@pytest.fixture
def after_make_run() -> Iterator[Deployment]:
    """The state after ``make run``, in memory: the instance ``example``, workflow 1 and run 1."""
    with deployment() as baton:
        baton.create("/api/llm/instances", {"name": "example", "provider": "simulated", "model": "parrot"})
        text = (ROOT / "local" / "example.yaml").read_text()
        imported = request("POST", "/api/workflows/import", text=text, headers={"content-type": "application/yaml"})
        baton.finish(baton.execute(imported.body["workflow_id"], topic="rainbows", audience="a child"))
        yield baton


@pytest.mark.usefixtures("after_make_run")
def test_every_curl_command_succeeds_with_its_documented_status() -> None:
    for name, sent in curl_requests():
        operation = operation_of(sent.method, sent.path)
        answer = request(sent.method, sent.path, text=sent.body, query=sent.query or None, headers=sent.headers)
        assert operation is not None
        assert answer.status == operation.status, (name, sent, answer.text)


@pytest.mark.usefixtures("after_make_run")
def test_the_response_in_the_readme_is_the_one_of_its_first_curl_command() -> None:
    readme = Document(ROOT / "README.md")
    sent = next(curl_request(command) for command in readme.commands() if command[0] == "curl")
    (documented,) = readme.blocks("json")
    assert request(sent.method, sent.path, text=sent.body, headers=sent.headers).body == json.loads(documented)


def test_the_readme_is_short_and_shows_the_recorded_run() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 130
    assert f"]({record.PICTURE.relative_to(ROOT)})" in text
    assert record.PICTURE.exists()


def test_every_page_is_linked_from_the_readme() -> None:
    reached, pending = set[Path](), [ROOT / "README.md"]
    while pending:
        document = Document(pending.pop())
        reached.add(document.path)
        targets = {(document.path.parent / link.partition("#")[0]).resolve() for link in document.links()}
        pending += [target for target in targets - reached if target.suffix == ".md"]
    assert {document.path for document in documents()} - reached == set()


def test_every_decision_is_listed_and_has_context_decision_and_consequences() -> None:
    files = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")
    listed = [link for link in Document(DECISIONS / "README.md").links() if link.endswith(".md")]
    assert listed == [path.name for path in files]
    for number, path in enumerate(files, start=1):
        assert path.name.startswith(f"{number:04d}-")
        assert re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE) == ["Context", "Decision", "Consequences"]
