"""Answers of the functions match the OpenAPI document; the document and its page are served."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from baton.adapters.dynamodb import keys
from baton.adapters.dynamodb.codecs.attributes import to_attributes
from baton.api.caller import DEFAULT_TENANT as TENANT
from baton.domain.ids import MAX_ID
from local.openapi import DOCUMENT
from tests.support.aws import Account
from tests.support.deployment import state_machine_definition
from tests.support.events import http_event
from tests.support.functions import invoke, request
from tests.support.gateway import application

if TYPE_CHECKING:
    from schemathesis import Case as AnyCase
    from schemathesis.schemas import APIOperation

    type Case = AnyCase[Any]
    type Operation = APIOperation[Any, Any, Any, Any]

type Ids = Mapping[str, list[int]]
"""Ids by kind, which path parameters and references in bodies are named after."""

STATUSES = ("completed", "failed", "cancelled", "running")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

REFUSALS = ["404", "409", "412", "413", "415", "422"]
CONFIG = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}})
"""The statuses that an invalid request may receive."""

# The server's URL is relative to the document, which has no URL here.
SCHEMA = schemathesis.openapi.from_dict({**json.loads(DOCUMENT.read_text()), "servers": [{"url": "/"}]}, config=CONFIG)
SCHEMA.app = application
OPERATIONS = {
    found.definition.raw["operationId"]: found
    for found in (cast("Any", result).ok() for result in SCHEMA.get_all_operations())
}

deterministic = settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_of_a_call_is_documented(name: str, aws: Account) -> None:
    operation = OPERATIONS[name]
    ids = seeded(aws, STATUSES if operation.tags == ["runs"] else ())
    for case in edge_cases(operation):
        ask(case, ids)
    for mode in GenerationMode:
        if mode.is_negative and not has_input(operation):
            continue

        @deterministic
        @given(case=operation.as_strategy(mode))
        def check(case: Case) -> None:
            ask(case, ids)

        check()


def edge_cases(operation: Operation) -> Iterator[Case]:
    """Values at and just over each bound, each field omitted, and the examples; deterministic."""
    cases = SCHEMA.iter_coverage_cases(
        operation,
        generation_modes=list(GenerationMode),
        generation_config=SCHEMA.config.generation_for(operation=operation),
    )
    return (case for case in cases if case.method.upper() == operation.method.upper())


def has_input(operation: Operation) -> bool:
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


def ask(case: Case, ids: Ids) -> None:
    aim(case, ids)
    case.call_and_validate(checks=CHECKS)


def aim(case: Case, ids: Ids) -> None:
    """Replace random ids, versions and providers by existing ones, which generated values would hardly ever be."""
    case.path_parameters = {
        name: one_of(ids[name.removesuffix("_id")], value) for name, value in (case.path_parameters or {}).items()
    }
    if isinstance(case.body, dict):
        case.body = {name: aimed(name, value, ids) for name, value in case.body.items()}
    if case.headers and (version := case.headers.get("If-Match", "")).isalnum():
        case.headers["If-Match"] = f'"{len(version)}"'


def aimed(name: str, value: Any, ids: Ids) -> Any:
    kind = name.removeprefix("llm_").removesuffix("s")
    if kind in ids:
        return [one_of(ids[kind], entry) for entry in value] if isinstance(value, list) else one_of(ids[kind], value)
    if name == "provider" and isinstance(value, str) and 1 <= len(value) <= 50 and value != "openai":
        return "simulated"
    return value


def one_of(ids: list[int], value: Any) -> Any:
    """An existing id for a possible id; other values unchanged."""
    is_id = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ID
    return ids[value % len(ids)] if is_id else value


def seeded(aws: Account, statuses: Sequence[str] = ()) -> Ids:
    """For each kind a used, an unused and an unknown id; and a run in each of these statuses."""
    aws.create_state_machine(state_machine_definition())
    llm = {"provider": "simulated", "model": "m"}
    instances = [created("/api/llm/instances", {"name": use, **llm}) for use in ("used", "free")]
    blocks = [created("/api/blocks", {"title": use, "content": "{{topic}} {{missing}}"}) for use in ("used", "free")]
    payload = {"blocks": blocks[:1], "llm_instance": instances[0]}
    payloads = [created("/api/payloads", {"name": use, **payload}) for use in ("used", "free")]
    workflows = [created("/api/workflows", {"name": f"{len(of)}", "payloads": of}) for of in (payloads[:1], [])]
    runs = [ended_run(aws, workflows[0], status) for status in statuses]
    found = {"block": blocks, "payload": payloads, "workflow": workflows, "instance": instances, "run": runs}
    return {kind: [*known, MAX_ID] for kind, known in found.items()} | {"position": [0, MAX_ID]}


def created(path: str, body: dict[str, Any]) -> int:
    return int(request("POST", path, body).body["id"])


def ended_run(aws: Account, workflow: int, status: str) -> int:
    """A run with its response, as after its execution."""
    run = int(request("POST", f"/api/execute/workflow/{workflow}", {"variables": {"topic": "tides"}}).body["runId"])
    put_status(aws, run, "running")
    invoke("execute_payload", {"tenant": TENANT, "run_id": run, "attempt": 1, "position": 0, "tries": 0})
    put_status(aws, run, status)
    return run


def put_status(aws: Account, run: int, status: str) -> None:
    aws.dynamodb.update_item(
        TableName=aws.runs_table,
        Key=to_attributes(keys.run(TENANT, run)),
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"S": status}},
    )


# ---- As served -----------------------------------------------------------------------------------------------------


def served(path: str, **headers: str) -> dict[str, Any]:
    return invoke("runs_api", http_event("GET", path, headers=headers))


def test_the_served_document_is_the_file() -> None:
    answer = served("/openapi.json")
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "application/json")
    assert answer["body"] == DOCUMENT.read_text()


def test_the_page_is_served_with_all_its_files() -> None:
    page = served("/docs")
    assert page["headers"]["Content-Type"].startswith("text/html")
    assert "script-src 'self'" in page["headers"]["Content-Security-Policy"]
    for part, kind in {
        "start.js": "text/javascript",
        "swagger-ui.js": "text/javascript",
        "swagger-ui.css": "text/css",
    }.items():
        assert f'"docs/{part}"' in page["body"]
        answer = served(f"/docs/{part}")
        assert (answer["statusCode"], answer["headers"]["Content-Type"].partition(";")[0]) == (200, kind)
        assert len(answer["body"]) < 6_000_000  # Lambda's limit


def test_an_unknown_file_of_the_page_is_a_404() -> None:
    for name in ("other.js", "..", "openapi.json"):
        assert request("GET", f"/docs/{name}").body["type"] == "not-found"


def test_the_page_is_compressed_for_clients_that_accept_gzip() -> None:
    answer = served("/docs/swagger-ui.js", **{"accept-encoding": "gzip, br"})
    assert (answer["isBase64Encoded"], answer["headers"]["Content-Encoding"]) == (True, "gzip")
    whole = served("/docs/swagger-ui.js")["body"]
    assert gzip.decompress(base64.b64decode(answer["body"])).decode() == whole
    assert len(answer["body"]) < len(whole) / 2


# ---- Regressions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
def test_without_a_body_the_content_type_is_ignored(aws: Account, content_type: str) -> None:
    path = f"/api/execute/workflow/{seeded(aws)['workflow'][0]}"
    assert request("POST", path, headers={"content-type": content_type}).status == 202


@pytest.mark.usefixtures("aws")
def test_a_media_type_may_be_written_in_any_case() -> None:
    json_type = {"content-type": "Application/JSON; Charset=UTF-8"}
    assert request("POST", "/api/blocks", {"title": "t", "content": "c"}, headers=json_type).status == 201


@pytest.mark.parametrize("text", ["[null]", '[{"variables": {}}]'])
def test_a_list_as_a_body_is_rejected(aws: Account, text: str) -> None:
    answer = request("POST", f"/api/execute/workflow/{seeded(aws)['workflow'][0]}", text=text)
    assert (answer.status, answer.body["detail"]) == (422, "body: is not a JSON object.")


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("temperature", [True, "0.5"])
def test_a_boolean_or_text_is_not_accepted_as_a_number(temperature: Any) -> None:
    body = {"name": "i", "provider": "simulated", "model": "m", "defaults": {"temperature": temperature}}
    assert request("POST", "/api/llm/instances", body).body["errors"][0]["field"] == "defaults.temperature"
