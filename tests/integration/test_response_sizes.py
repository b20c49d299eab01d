"""Every GET of the API, with the largest texts that a client can store: no answer exceeds Lambda's limit.

The calls are those of the OpenAPI document, so a new one is tested from its first day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from baton.adapters.dynamodb.steps import DynamoStepStore
from baton.adapters.s3 import S3Texts
from baton.api.caller import DEFAULT_TENANT as TENANT
from baton.domain.catalog.definitions import (
    MAX_RECORD_BYTES,
    MAX_TEXT_BYTES,
    Block,
    BlockDraft,
    InlineBlock,
    LlmInstance,
    LlmInstanceDraft,
    Payload,
    PayloadDraft,
    Workflow,
    WorkflowDraft,
    new_definition,
    record_bytes,
)
from baton.domain.llm.endpoints import LlmTarget
from baton.domain.llm.settings import LlmSettings
from baton.domain.prompts import Reference
from baton.domain.runs.responses import reference_record
from baton.domain.runs.run import MAX_VARIABLES_BYTES, check_variables
from baton.domain.runs.snapshots import MAX_WORKFLOW_BYTES
from baton.runtime import wiring
from local.openapi import DOCUMENT
from tests.support.deployment import Deployment, deployment
from tests.support.environments import in_function
from tests.support.events import http_event
from tests.support.functions import answer_of, invoke
from tests.support.records import AT_NOON, a_response, a_run, a_snapshot, an_endpoint
from tests.support.routes import function_of

LAMBDA_BYTES = 6 * 1024 * 1024
WORST = ['"', "\x01", "🙂"]
PAYLOADS = 25
PATHS = [path for path, calls in json.loads(DOCUMENT.read_text())["paths"].items() if "get" in calls]
BESIDE_THE_DOCUMENT = ["/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui.js", "/docs/swagger-ui.css"]


@pytest.fixture(scope="module", params=WORST, ids=ascii)
def stored_character(request: pytest.FixtureRequest) -> Iterator[str]:
    """Fill an account with one character; the character."""
    with deployment() as baton:
        define(request.param)
        record(baton, request.param)
        yield request.param


def filled(character: str, size: int) -> str:
    """A text of so many bytes as JSON."""
    return character * (size // len(json.dumps(character, ensure_ascii=False).encode()[1:-1]))


def name(character: str, number: int) -> str:
    """A name of 200 characters, of those that a single line may contain."""
    return f"{number:03d}" + (character if character.isprintable() else '"') * 197


def settings(character: str, size: int) -> LlmSettings:
    """Settings of about so many bytes as JSON in each of their fields."""
    system = min(MAX_TEXT_BYTES, size // 3)
    rest = (size - system) // 2 - 4_000
    return LlmSettings(
        system=filled(character, system),
        stop=(character * 200,) * 16,
        response_format={"description": filled(character, rest)},
        model=name(character, 0),
        options={"o": filled(character, rest), character: None},
    )


def define(character: str) -> None:
    catalog = in_function("catalog_api", wiring.catalog_store)
    tags = tuple(name(character, number)[:100] for number in range(50))
    large = settings(character, MAX_RECORD_BYTES - 60_000)
    blocks = [InlineBlock(content=filled(character, 290_000))] * 3
    drafts: list[tuple[type[Any], list[Any]]] = [
        (
            Block,
            [
                BlockDraft(
                    title=name(character, number),
                    content=filled(character, MAX_TEXT_BYTES),
                    tags=tags,
                    folder_path="/" + name(character, 0) * 2,
                )
                for number in range(20)
            ],
        ),
        (
            LlmInstance,
            [
                LlmInstanceDraft(
                    name=name(character, number),
                    provider="simulated",
                    base_url="https://x.example/" + "'" * 1900,
                    model=name(character, 0),
                    defaults=large,
                )
                for number in range(6)
            ],
        ),
        (
            Payload,
            [
                PayloadDraft(
                    name=name(character, number),
                    blocks=(*blocks, *range(1, 8)),
                    llm_instance=1,
                    settings=settings(character, 500_000),
                )
                for number in range(6)
            ],
        ),
        (Workflow, [WorkflowDraft(name=name(character, 1), payloads=(1,))]),
        (Workflow, [WorkflowDraft(name=name(character, 0), payloads=tuple(1 + i % 6 for i in range(200)))]),
    ]
    ids = dict.fromkeys((kind for kind, _ in drafts), 0)
    for kind, some in drafts:
        for draft in some:
            ids[kind] += 1
            assert record_bytes(draft) <= MAX_RECORD_BYTES
            catalog.create(TENANT, new_definition(kind, draft, ids[kind], AT_NOON), catalog.read_ledger(TENANT))


def record(baton: Deployment, character: str) -> None:
    """A run of so many payloads, each with texts of the maximum size."""
    names = [f"{number:03d}" + character * 297 for number in range(200)]
    references = tuple(Reference(name=name, source="variable", where="prompt") for name in names)
    endpoint = an_endpoint(instance_name=name(character, 0), model=name(character, 0))
    share = MAX_WORKFLOW_BYTES // PAYLOADS
    target = LlmTarget(endpoint=endpoint, settings=settings(character, share // 4))
    snapshots = [
        a_snapshot(
            position,
            name=name(character, position),
            template=filled(character, share // 4),
            references=references,
            targets=(target, target),
        )
        for position in range(PAYLOADS)
    ]
    assert sum(record_bytes(snapshot) for snapshot in snapshots) <= MAX_WORKFLOW_BYTES * 1.5
    variables = {name(character, 0): filled(character, MAX_VARIABLES_BYTES - 2_000)}
    check_variables(variables)
    run = a_run(tenant=TENANT, total=PAYLOADS, workflow_name=name(character, 0), error=character * 500)
    in_function("runs_api", wiring.run_store).create(run, variables, snapshots)
    steps = DynamoStepStore(
        baton.aws.dynamodb, baton.aws.runs_table, S3Texts(lambda: baton.aws.s3, baton.aws.texts_bucket)
    )
    metadata = {"references": [reference_record(reference) for reference in references[:100]]}
    for position in range(PAYLOADS):
        content = filled(character, 3_000_000 if position < 2 else 100_000)
        steps.store_response(
            run,
            a_response(
                position,
                tenant=TENANT,
                payload_name=name(character, position),
                content=content,
                prompt=filled(character, 1_000_000),
                metadata=metadata,
            ),
        )


@pytest.mark.usefixtures("stored_character")
@pytest.mark.parametrize("path", [*PATHS, *BESIDE_THE_DOCUMENT])
def test_every_get_of_maximum_size_data_is_within_the_limit_of_lambda(path: str) -> None:
    """Lambda's runtime may write non-ASCII characters unchanged or escaped."""
    place = path.replace("{position}", "0").replace("{name}", "start.js")
    for parameter in ("block_id", "payload_id", "workflow_id", "instance_id", "run_id"):
        place = place.replace(f"{{{parameter}}}", "1")
    assert "{" not in place, "say which value this parameter has here"
    lists = path.rpartition("/")[2] in ("blocks", "payloads", "workflows", "instances", "runs", "responses")
    reply = invoke(function_of("GET", place), http_event("GET", place, query={"limit": "100"} if lists else None))
    assert len(json.dumps(reply)) < LAMBDA_BYTES
    answer = answer_of(reply)
    assert answer.status == 200, answer.text[:300]
    assert answer.text
