"""The bounds that users rely on, as numbers: other tests import them, so a changed one would go unnoticed there."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

from tests.support import template

BOUNDS: dict[str, dict[str, float]] = {
    "baton.domain.catalog.definitions": {
        "MAX_PAYLOADS_PER_WORKFLOW": 200,
        "MAX_BLOCKS_PER_PAYLOAD": 100,
        "MAX_REFERENCES_PER_PAYLOAD": 100,
        "MAX_TEXT_BYTES": 300_000,
        "MAX_TEMPLATE_BYTES": 1_000_000,
        "MAX_RECORD_BYTES": 1_500_000,
    },
    "baton.domain.catalog.fallbacks": {"MAX_FALLBACKS": 4},
    "baton.domain.ids": {"MAX_ID": 999_999_999_999},
    "baton.domain.prompts": {"MAX_PROMPT_BYTES": 10_000_000},
    "baton.domain.templates": {"MAX_NAME_CHARACTERS": 300},
    "baton.domain.live.messages": {"MAX_CONTENT_BYTES": 100_000},
    "baton.domain.llm.calls": {"MAX_TIMEOUT_SECONDS": 840},
    "baton.domain.runs.responses": {"MAX_REFERENCES_BYTES": 100_000},
    "baton.domain.runs.run": {"MAX_VARIABLES_BYTES": 300_000},
    "baton.domain.runs.snapshots": {"MAX_WORKFLOW_BYTES": 40_000_000, "MAX_SNAPSHOT_BYTES": 4_000_000},
    "baton.domain.runs.steps": {"MAX_ERROR_CHARACTERS": 500, "MAX_WAIT_SECONDS": 60, "MAX_RETRY_AFTER_SECONDS": 3600},
    "baton.usecases.catalog.define": {"MAX_TRIES": 10},
    "baton.usecases.live.stream_answer": {"MAX_DELTA_CHARACTERS": 16_000},
    "baton.usecases.llm.check_llm_instance": {"MAX_SECONDS": 8},
    "baton.usecases.llm.limiter": {"MAX_WAIT_SECONDS": 12 * 3600},
    "baton.usecases.runs.start_run": {"MAX_SECONDS": 20},
    "baton.adapters.dynamodb.connections": {"MAX_RUNS_FOLLOWED": 100},
    "baton.adapters.dynamodb.large_records": {"MAX_ITEM_BYTES": 350_000, "MAX_TEXT_BYTES": 100_000},
    "baton.adapters.dynamodb.calls": {
        "MAX_READ_AT_ONCE": 100,
        "MAX_WRITTEN_AT_ONCE": 25,
        "MAX_BYTES_AT_ONCE": 1_000_000,
    },
    "baton.adapters.dynamodb.runs": {"MAX_RUN_BYTES": 8_000_000},
    "baton.adapters.dynamodb.throttling": {"MAX_SECONDS": 20},
    "baton.adapters.dynamodb.transactions": {"MAX_WRITES": 100, "MAX_TRIES": 8, "FIRST_PAUSE_SECONDS": 0.02},
    "baton.adapters.llm.formats.json_answers": {"MAX_CHECK_SECONDS": 2},
    "baton.adapters.llm.formats.schemas": {"MAX_BYTES": 30_000, "MAX_DEPTH": 50, "MAX_ENTRIES": 1_000},
    "baton.adapters.llm.formats.streaming": {"SECONDS_AFTER_FINISH": 5},
    "baton.adapters.llm.http.transport": {
        "CONNECT_SECONDS": 5,
        "END_SECONDS": 0.2,
        "MAX_BODY_BYTES": 10 * 1024 * 1024,
        "MAX_FAILURE_BYTES": 64 * 1024,
    },
    "baton.api.budget": {"MAX_BODY_BYTES": 5_900_000},
    "baton.api.workflow_file_formats.documents": {"MAX_FILE_BYTES": 4_000_000},
}

DOCUMENTED = {
    "payloads a workflow, blocks a payload, references of a payload that resolve": "200, 100, 100",
    "a block or a `system` text; a payload's text; all texts of a workflow's payloads; a run's variables": (
        "300 KB; 1 MB; 40 MB; 300 KB"
    ),
    "a request's body; a workflow file": "1 MB; 4 MB",
    "a prompt with its `system` text, as sent; the answers that it refers to": "10 MB; 10 MB",
    "one LLM call, streamed or not": "840 s, 10 MB",
    "an attempt of a run, waits included": "24 h",
    "checking an answer against its JSON Schema": "2 s",
    "runs that one connection subscribes to by name": "100",
    "content in a live message": "100 KB",
    "references stored with a response": "100 KB",
    "fallbacks that follow one another": "4",
    "wait for a limit of an LLM instance": "12 h",
}


@pytest.mark.parametrize(
    ("module", "name", "value"), [(module, *bound) for module, bounds in BOUNDS.items() for bound in bounds.items()]
)
def test_each_bound_has_this_value(module: str, name: str, value: float) -> None:
    assert getattr(import_module(module), name) == value


def test_an_attempt_of_a_run_ends_after_a_day() -> None:
    machine = json.loads((template.ROOT / "functions" / "workflow.asl.json").read_text())
    assert machine["TimeoutSeconds"] == 24 * 3600


def test_the_documented_bounds_are_these() -> None:
    """A change of a row is a change of a number above."""
    text, _ = (template.ROOT / "docs" / "limits.md").read_text().split("\n## ", maxsplit=1)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    found = {what.strip(): bound.strip() for what, bound in rows}
    assert {what: found.get(what) for what in DOCUMENTED} == DOCUMENTED
