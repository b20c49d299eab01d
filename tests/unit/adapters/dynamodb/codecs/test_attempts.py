"""Items of runs with attempts and versions of snapshots, and of versions of Baton without them."""

from __future__ import annotations

from typing import Any

import pytest

from baton.adapters.dynamodb.codecs.attributes import Item
from baton.adapters.dynamodb.codecs.run import attempt_to_item, run_from_item, run_to_item
from baton.domain.runs.run import Run, SnapshotVersion
from tests.support.records import AT_NOON, a_run

FIELDS: dict[str, Any] = {
    "attempt_started_at": AT_NOON,
    "started_by": "key-1",
    "cancelled_by": "key-2",
    "rerun_of": 7,
    "definition_attempt": 2,
    "snapshot_versions": (
        SnapshotVersion(first_position=1, version="a"),
        SnapshotVersion(first_position=3, version="b"),
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_is_read_back_and_may_be_missing(name: str) -> None:
    run = a_run(**{name: FIELDS[name]})
    item = dict(run_to_item(run))
    assert run_from_item(item) == run
    del item[name]
    assert run_from_item(item) == a_run()
    assert run_to_item(a_run()) == item


def test_an_attempt_is_the_run_under_another_key_without_the_attributes_of_indexes() -> None:
    run = a_run(attempt=12, status="failed", error="It broke.", **FIELDS)
    item: Item = attempt_to_item(run)
    assert run_from_item(item) == run
    assert (item["sk"], item["type"]) == ({"S": "RUN#ATTEMPT#0012"}, {"S": "ATTEMPT"})
    assert item["expires_at"] == {"N": str(run.expires_at)}
    assert run_to_item(run).keys() - item.keys() == {"tenant_runs", "tenant_workflow", "tenant_status"}


@pytest.mark.parametrize(("position", "version"), [(0, None), (1, "a"), (2, "a"), (3, "b"), (4, "b")])
def test_a_snapshot_has_the_version_of_the_last_resume_that_has_compiled_its_position(
    position: int, version: str | None
) -> None:
    run: Run = a_run(total=5, snapshot_versions=FIELDS["snapshot_versions"])
    assert run.snapshot_version(position) == version
