"""RunStore: the fake and DynamoDB behave the same."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.adapters.dynamodb.codecs.partial_answer import partial_answer_from_item
from baton.adapters.dynamodb.large_records import item_bytes
from baton.adapters.dynamodb.stream import changes
from baton.adapters.s3 import S3Texts
from baton.domain.errors import AttemptSuperseded, NotFound, ResponseAlreadyStored
from baton.domain.llm.endpoints import LlmLimits, LlmTarget
from baton.domain.llm.settings import LlmSettings
from baton.domain.llm.tokens import TokenUsage
from baton.domain.prompts import Reference, Sources
from baton.domain.runs.responses import NextPayload, Response
from baton.domain.runs.run import Run, Status, cancelled, failed, resumed, with_snapshots
from baton.usecases.runs.ports import RunStore
from tests.support.aws import Account
from tests.support.pages import all_items
from tests.support.records import AT_NOON, OTHER_TENANT, TENANT, a_part, a_response, a_run, a_snapshot, an_endpoint
from tests.support.stores import RunStores

LONG = "é" * 60_000


def cancel(stores: RunStores, run: Run) -> None:
    stores.runs.change(run, cancelled(run, AT_NOON))


def all_pages(runs: RunStore, status: Status | None, workflow_id: int | None, limit: int = 2) -> list[int]:
    """The ids of a list, read to its end page by page."""
    items = all_items(lambda after: runs.page(TENANT, status, workflow_id, limit, after), limit)
    return [run.id for run in items]


def as_stored(response: Response) -> Response:
    """Without the fields that the store adds about its texts."""
    return replace(response, content_bytes=None, prompt_bytes=None)


def test_reserved_ids_are_consecutive_and_unique(stores: RunStores) -> None:
    assert stores.runs.reserve_ids(TENANT, 3) == (1, 1)
    assert stores.runs.reserve_ids(TENANT, 2) == (2, 4)
    assert stores.runs.reserve_ids(TENANT, 1) == (3, 6)


def test_each_tenant_has_its_own_sequence_of_ids(stores: RunStores) -> None:
    stores.runs.reserve_ids(TENANT, 9)
    assert stores.runs.reserve_ids(OTHER_TENANT, 3) == (1, 1)


def test_a_created_run_is_read_back(stores: RunStores) -> None:
    run = a_run(status="created", started_at=None)
    variables = {"topic": "relays", "count": 3, "ratio": 0.1, "nested": {"list": [1, 2.5, None, True]}}
    stores.runs.create(run, variables, [a_snapshot(0), a_snapshot(1)])
    assert stores.runs.read(TENANT, 1) == run
    history = stores.runs.read_history(TENANT, 1)
    assert (history.run, history.variables, history.responses) == (run, variables, ())


def test_a_run_of_200_payloads_is_stored_completely(stores: RunStores) -> None:
    """DynamoDB accepts 25 items per batch."""
    stores.runs.create(a_run(total=200), {}, [a_snapshot(position) for position in range(200)])
    for position in (0, 24, 25, 199):
        assert stores.steps.read_step(TENANT, 1, position).snapshot == a_snapshot(position)


def test_an_unknown_run_is_not_found(stores: RunStores) -> None:
    with pytest.raises(NotFound, match="There is no run 99"):
        stores.runs.read(TENANT, 99)
    with pytest.raises(NotFound, match="There is no run 99"):
        stores.runs.read_history(TENANT, 99)


def test_another_tenants_run_is_not_found(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [a_snapshot()])
    stores.steps.store_response(a_run(), a_response())
    with pytest.raises(NotFound):
        stores.runs.read(OTHER_TENANT, 1)
    with pytest.raises(NotFound):
        stores.runs.read_history(OTHER_TENANT, 1)
    assert stores.runs.read_responses(OTHER_TENANT, 1, 10, None).items == []
    assert stores.runs.page(OTHER_TENANT, None, None, 10, None).items == []


def test_runs_of_two_tenants_with_the_same_id_are_separate(stores: RunStores) -> None:
    stores.runs.create(a_run(), {"owner": "acme"}, [a_snapshot()])
    stores.runs.create(a_run(tenant=OTHER_TENANT), {"owner": "globex"}, [a_snapshot()])
    cancel(stores, stores.runs.read(OTHER_TENANT, 1))
    assert stores.runs.read(TENANT, 1).status == "running"
    assert stores.runs.read_history(TENANT, 1).variables == {"owner": "acme"}


def test_a_history_contains_the_responses_in_the_order_of_their_positions(stores: RunStores) -> None:
    stores.runs.create(a_run(total=12), {}, [])
    stored = [a_response(position, total=12, content=f"answer {position}") for position in (10, 2, 0, 11)]
    for response in stored:
        stores.steps.store_response(a_run(), response)
    read = stores.runs.read_history(TENANT, 1).responses
    in_order = [replace(response, prompt=None) for response in (stored[2], stored[1], stored[0], stored[3])]
    assert [as_stored(response) for response in read] == in_order


def test_a_history_contains_at_least_the_beginning_of_each_response(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    stores.steps.store_response(a_run(), a_response(0, content=LONG))
    stores.steps.store_response(a_run(), a_response(1))
    first, second = stores.histories.read_history(TENANT, 1).responses
    assert LONG.startswith(first.content)
    assert len(first.content) >= 50_000
    assert first.content_truncated == (first.content != LONG)
    assert as_stored(second) == a_response(1, prompt=None)


def test_the_history_of_an_unknown_run_is_not_found(stores: RunStores) -> None:
    with pytest.raises(NotFound, match="There is no run 99"):
        stores.histories.read(TENANT, 99)
    with pytest.raises(NotFound, match="There is no run 99"):
        stores.histories.read_history(TENANT, 99)


def test_a_page_of_responses_starts_after_the_cursor(stores: RunStores) -> None:
    stores.runs.create(a_run(total=5), {}, [])
    responses = [a_response(position, total=5) for position in range(5)]
    for response in responses:
        stores.steps.store_response(a_run(), response)
    first = stores.runs.read_responses(TENANT, 1, 2, None)
    second = stores.runs.read_responses(TENANT, 1, 2, first.next_after)
    third = stores.runs.read_responses(TENANT, 1, 2, second.next_after)
    assert [as_stored(response) for response in (*first.items, *second.items, *third.items)] == responses
    assert (len(first.items), len(second.items), third.next_after) == (2, 2, None)


def test_a_page_that_ends_with_the_last_response_has_no_next_page(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    for position in range(2):
        stores.steps.store_response(a_run(), a_response(position))
    assert stores.runs.read_responses(TENANT, 1, 2, None).next_after is None


def test_an_unknown_run_has_no_responses(stores: RunStores) -> None:
    page = stores.runs.read_responses(TENANT, 99, 10, None)
    assert (page.items, page.next_after) == ([], None)


@pytest.fixture
def many(stores: RunStores) -> RunStore:
    """Runs 1 to 6: odd ones of workflow 7, even ones of workflow 8; 1 to 3 completed, the others failed."""
    for run_id in range(1, 7):
        status: Status = "completed" if run_id <= 3 else "failed"
        stores.runs.create(a_run(id=run_id, workflow_id=8 - run_id % 2, status=status), {}, [])
    stores.runs.create(a_run(tenant=OTHER_TENANT, id=9), {}, [])
    return stores.runs


@pytest.mark.parametrize(
    ("status", "workflow_id", "expected"),
    [
        (None, None, [6, 5, 4, 3, 2, 1]),
        (None, 7, [5, 3, 1]),
        ("failed", None, [6, 5, 4]),
        ("completed", 8, [2]),
        ("failed", 7, [5]),
        ("running", None, []),
        (None, 99, []),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_lists_are_newest_first_and_filtered(
    many: RunStore, status: Status | None, workflow_id: int | None, expected: list[int], limit: int
) -> None:
    assert all_pages(many, status, workflow_id, limit) == expected


def test_a_list_contains_complete_runs(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    assert stores.runs.page(TENANT, None, None, 10, None).items == [a_run()]


def test_lists_are_sorted_by_numeric_id(stores: RunStores) -> None:
    for run_id in (9, 10, 100):
        stores.runs.create(a_run(id=run_id), {}, [])
    assert all_pages(stores.runs, None, None) == [100, 10, 9]


def test_a_run_is_listed_under_its_current_status(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    cancel(stores, stores.runs.read(TENANT, 1))
    assert all_pages(stores.runs, "running", None) == []
    assert all_pages(stores.runs, "cancelled", None) == [1]


def test_cancelling_ends_the_run(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    cancel(stores, a_run())
    assert stores.runs.read(TENANT, 1) == a_run(status="cancelled", completed_at=AT_NOON)


def test_a_failed_run_contains_the_reason(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    stores.runs.change(a_run(), failed(a_run(), "It broke.", AT_NOON))
    assert stores.runs.read(TENANT, 1) == a_run(status="failed", error="It broke.", completed_at=AT_NOON)


def test_cancelling_does_not_overwrite_what_a_payload_wrote_since_the_run_was_read(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [a_snapshot(0), a_snapshot(1, name="second")])
    stale = stores.runs.read(TENANT, 1)
    stores.steps.start_payload(stale, a_snapshot(1, name="second").payload, AT_NOON)
    cancel(stores, stale)
    run = stores.runs.read(TENANT, 1)
    assert (run.status, run.position, run.payload_name) == ("cancelled", 1, "second")


def test_resuming_starts_the_next_attempt_and_clears_the_end_of_the_previous_one(stores: RunStores) -> None:
    before = a_run(
        status="failed", error="It broke.", completed_at=AT_NOON, payload_started_at=AT_NOON, payload_id=12, position=1
    )
    stores.runs.create(before, {}, [])
    stores.runs.resume(before, resumed(before, 1, AT_NOON))
    now = stores.runs.read(TENANT, 1)
    assert now == resumed(before, 1, AT_NOON)
    assert (now.status, now.attempt, now.first_position, now.completed) == ("running", 2, 1, 1)
    assert (now.error, now.completed_at, now.payload_started_at) == (None, None, None)
    assert now.started_at == before.started_at


def test_the_attempts_of_a_run_are_what_it_was_at_the_end_of_each_and_what_it_is_now(stores: RunStores) -> None:
    first = a_run(status="failed", error="It broke.", completed_at=AT_NOON, usage=TokenUsage(), started_by="key-1")
    stores.runs.create(first, {"topic": "relays"}, [a_snapshot()])
    assert stores.runs.read_attempts(TENANT, 1) == [first]
    second = resumed(first, 0, AT_NOON, "call-2", "key-2")
    stores.runs.resume(first, second)
    ended = cancelled(second, AT_NOON, "key-3")
    stores.runs.change(second, ended)
    third = resumed(ended, 0, AT_NOON)
    stores.runs.resume(ended, third)
    assert stores.runs.read_attempts(TENANT, 1) == [first, ended, third]
    history = stores.histories.read_history(TENANT, 1)
    assert (history.attempts, history.run, history.variables) == ((first, ended), third, {"topic": "relays"})


def test_an_attempt_is_not_listed_as_a_run(stores: RunStores) -> None:
    before = a_run(status="failed", error="It broke.", completed_at=AT_NOON)
    stores.runs.create(before, {}, [])
    stores.runs.resume(before, resumed(before, 0, AT_NOON))
    for status, workflow_id in ((None, None), (None, 7), ("running", None)):
        assert all_pages(stores.runs, status, workflow_id) == [1]  # type: ignore[arg-type]
    assert all_pages(stores.runs, "failed", None) == []


def test_the_attempts_of_an_unknown_run_are_not_found(stores: RunStores) -> None:
    with pytest.raises(NotFound, match="There is no run 99"):
        stores.runs.read_attempts(TENANT, 99)


def test_variables_are_replaced_with_the_run_or_not_at_all(stores: RunStores) -> None:
    before = a_run(status="failed", error="It broke.", completed_at=AT_NOON)
    stores.runs.create(before, {"topic": "relays"}, [])
    stale = replace(before, attempt=2)
    with pytest.raises(AttemptSuperseded):
        stores.runs.resume(stale, resumed(stale, 0, AT_NOON), {"topic": "never"})
    assert stores.runs.read_variables(TENANT, 1) == {"topic": "relays"}
    assert stores.runs.read_attempts(TENANT, 1) == [before]
    stores.runs.resume(before, resumed(before, 0, AT_NOON), {"topic": "tides"})
    assert stores.runs.read_variables(TENANT, 1) == {"topic": "tides"}
    assert stores.runs.read_variables(OTHER_TENANT, 1) == {}


def test_a_step_reads_the_version_of_its_snapshot_that_the_run_has(stores: RunStores) -> None:
    stores.runs.create(a_run(total=3), {}, [a_snapshot(position) for position in range(3)])
    run = stores.runs.read(TENANT, 1)
    newer = [a_snapshot(1, template="newer"), a_snapshot(2, template="newer"), a_snapshot(3, template="newer")]
    unused = stores.runs.store_snapshots(run, newer[:1])
    version = stores.runs.store_snapshots(run, newer)
    assert unused != version
    assert stores.steps.read_step(TENANT, 1, 1).snapshot == a_snapshot(1)
    changed = replace(with_snapshots(replace(run, first_position=1), version), total=4, definition_attempt=2)
    stores.runs.change(run, changed)
    assert stores.runs.read(TENANT, 1) == changed
    found = [stores.steps.read_step(TENANT, 1, position).snapshot for position in range(5)]
    assert found == [a_snapshot(0), *newer, None]
    assert stores.runs.read_snapshots(changed) == [a_snapshot(0), *newer]
    assert stores.runs.read_snapshots(replace(changed, total=2)) == [a_snapshot(0), newer[0]]


def test_further_response_ids_are_consecutive_and_unique(stores: RunStores) -> None:
    assert stores.runs.reserve_ids(TENANT, 3) == (1, 1)
    assert stores.runs.reserve_response_ids(TENANT, 2) == 4
    assert stores.runs.reserve_ids(TENANT, 1) == (2, 6)


def a_resumed_run(stores: RunStores) -> Run:
    """A run with an ended attempt and a second version of a snapshot."""
    before = a_run(status="failed", error="It broke.", completed_at=AT_NOON)
    stores.runs.create(before, {"topic": "relays"}, [a_snapshot(0)])
    version = stores.runs.store_snapshots(before, [a_snapshot(0, template=LONG * 4)])
    run = with_snapshots(resumed(before, 0, AT_NOON), version)
    stores.runs.resume(before, run, {"topic": "tides"})
    return run


def test_deleting_removes_the_attempts_and_all_versions_of_the_snapshots(
    dynamodb_stores: RunStores, aws: Account
) -> None:
    run = cancelled(a_resumed_run(dynamodb_stores), AT_NOON)
    dynamodb_stores.runs.change(replace(run, status="running"), run)
    assert aws.s3.list_objects_v2(Bucket=aws.texts_bucket)["KeyCount"] == 1
    dynamodb_stores.runs.delete(run)
    assert aws.items(aws.runs_table) == []
    assert aws.s3.list_objects_v2(Bucket=aws.texts_bucket)["KeyCount"] == 0


def test_attempts_and_later_snapshots_expire_with_the_run(dynamodb_stores: RunStores, aws: Account) -> None:
    run = a_resumed_run(dynamodb_stores)
    expiries = {item["sk"]["S"]: item.get("expires_at") for item in aws.items(aws.runs_table)}
    expected = ["RUN", "RUN#ATTEMPT#0001", "VARIABLES", "PAYLOAD#0000", f"PAYLOAD#0000#{run.snapshot_version(0)}"]
    assert expiries == {key: {"N": str(run.expires_at)} for key in expected}


def test_an_ended_attempt_is_no_change_of_a_run_for_subscribers(dynamodb_stores: RunStores, aws: Account) -> None:
    a_resumed_run(dynamodb_stores)
    (attempt,) = [item for item in aws.items(aws.runs_table) if item["sk"]["S"] == "RUN#ATTEMPT#0001"]
    record = {"dynamodb": {"NewImage": attempt, "SequenceNumber": "1"}}
    assert changes([record]) == []
    assert not {"tenant_runs", "tenant_workflow", "tenant_status"} & attempt.keys()


STALE: dict[str, Run] = {
    "another status": a_run(status="created"),
    "an earlier attempt": a_run(attempt=1),
    "a run that never existed": a_run(id=99, attempt=2),
    "another tenant's run": a_run(tenant=OTHER_TENANT, attempt=2),
}


@pytest.mark.parametrize("stale", STALE.values(), ids=STALE.keys())
def test_a_run_that_has_changed_since_it_was_read_cannot_be_changed(stores: RunStores, stale: Run) -> None:
    stored = a_run(attempt=2)
    stores.runs.create(stored, {}, [])
    with pytest.raises(AttemptSuperseded):
        cancel(stores, stale)
    with pytest.raises(AttemptSuperseded):
        stores.runs.change(stale, failed(stale, "It broke.", AT_NOON))
    with pytest.raises(AttemptSuperseded):
        stores.runs.change(stale, replace(stale, status="running", attempt=stale.attempt + 1))
    with pytest.raises(AttemptSuperseded):
        stores.runs.resume(stale, replace(stale, status="running", attempt=stale.attempt + 1))
    with pytest.raises(AttemptSuperseded):
        stores.runs.delete(stale)
    assert stores.runs.read(TENANT, 1) == stored
    assert all_pages(stores.runs, None, None) == [1]


def test_a_deleted_run_has_no_history_responses_or_snapshots_and_is_not_listed(stores: RunStores) -> None:
    ended = a_run(status="completed")
    stores.runs.create(ended, {"topic": "relays"}, [a_snapshot(0), a_snapshot(1)])
    stores.steps.store_response(a_run(), a_response())
    stores.runs.delete(ended)
    with pytest.raises(NotFound):
        stores.runs.read_history(TENANT, 1)
    assert stores.runs.read_responses(TENANT, 1, 10, None).items == []
    assert all_pages(stores.runs, None, None) == []
    records = stores.steps.read_step(TENANT, 1, 0)
    assert (records.run, records.snapshot, records.answered) == (None, None, False)


def test_deleting_removes_every_item_and_every_long_text(dynamodb_stores: RunStores, aws: Account) -> None:
    """Only the counter of ids remains, so that no id is used twice."""
    ended = a_run(status="completed")
    dynamodb_stores.runs.create(ended, {"topic": "relays"}, [a_snapshot(0), a_snapshot(1)])
    dynamodb_stores.steps.store_response(a_run(), a_response(0, content=LONG, prompt=LONG + "?"))
    dynamodb_stores.steps.publish_part(a_part())
    assert aws.s3.list_objects_v2(Bucket=aws.texts_bucket)["KeyCount"] == 2
    dynamodb_stores.runs.delete(ended)
    assert aws.items(aws.runs_table) == []
    assert aws.s3.list_objects_v2(Bucket=aws.texts_bucket)["KeyCount"] == 0


def test_every_item_of_a_run_expires_with_it(dynamodb_stores: RunStores, aws: Account) -> None:
    dynamodb_stores.runs.create(a_run(), {"topic": "relays"}, [a_snapshot(0), a_snapshot(1)])
    dynamodb_stores.steps.store_response(a_run(), a_response())
    dynamodb_stores.steps.start_payload(a_run(), a_snapshot(1).payload, AT_NOON)
    dynamodb_stores.steps.publish_part(a_part())
    expiries = {item["sk"]["S"]: item.get("expires_at") for item in aws.items(aws.runs_table)}
    expiry = {"N": str(a_run().expires_at)}
    assert expiries == dict.fromkeys(
        ["RUN", "VARIABLES", "PART", "PAYLOAD#0000", "PAYLOAD#0001", "RESPONSE#0000"], expiry
    )


def test_a_run_item_is_smaller_than_one_kilobyte(dynamodb_stores: RunStores, aws: Account) -> None:
    """It is written at every step, and each write is billed by the kilobyte. The longest names and error are rare."""
    run = a_run(workflow_name="w" * 60, payload_name="p" * 60, payload_id=10**9, payload_started_at=AT_NOON, total=200)
    dynamodb_stores.runs.create(run, {"topic": LONG}, [a_snapshot()])
    (item,) = [item for item in aws.items(aws.runs_table) if item["sk"]["S"] == "RUN"]
    assert item_bytes(item) < 1000


def test_the_first_step_reads_its_snapshot_and_no_earlier_response(stores: RunStores) -> None:
    references = [
        Reference(name="topic", source="variable"),
        Reference(name="x", source="missing"),
        Reference(name="facts.items[0]", source="response", position=0, path=("items", 0)),
    ]
    snapshot = a_snapshot(0, references=references)
    stores.runs.create(a_run(), {"topic": "relays"}, [snapshot, a_snapshot(1)])
    records = stores.steps.read_step(TENANT, 1, 0)
    assert (records.run, records.snapshot, records.answered) == (a_run(), snapshot, False)


def test_a_step_reads_whether_its_own_response_exists(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [a_snapshot(0), a_snapshot(1)])
    stores.steps.store_response(a_run(), a_response(0))
    first, second = stores.steps.read_step(TENANT, 1, 0), stores.steps.read_step(TENANT, 1, 1)
    assert (first.snapshot, first.answered) == (a_snapshot(0), True)
    assert (second.snapshot, second.answered) == (a_snapshot(1), False)


def test_a_step_does_not_read_the_responses_before_it(dynamodb_stores: RunStores, aws: Account) -> None:
    """They may be large, and the run counts them."""
    dynamodb_stores.runs.create(a_run(), {}, [a_snapshot(0), a_snapshot(1)])
    dynamodb_stores.steps.store_response(a_run(), a_response(0))
    read: list[str] = []

    def record(params: dict[str, Any], **_: object) -> None:
        read.extend(key["sk"]["S"] for request in params["RequestItems"].values() for key in request["Keys"])

    aws.dynamodb.meta.events.register("provide-client-params.dynamodb.BatchGetItem", record)
    dynamodb_stores.steps.read_step(TENANT, 1, 1)
    aws.dynamodb.meta.events.unregister("provide-client-params.dynamodb.BatchGetItem", record)
    assert sorted(read) == ["PAYLOAD#0001", "RESPONSE#0001", "RUN"]


def test_a_step_after_the_last_payload_has_no_snapshot(stores: RunStores) -> None:
    stores.runs.create(a_run(total=1), {}, [a_snapshot(0)])
    stores.steps.store_response(a_run(), a_response(0))
    records = stores.steps.read_step(TENANT, 1, 1)
    assert (records.snapshot, records.answered) == (None, False)


def test_a_step_of_an_unknown_or_another_tenants_run_has_no_records(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [a_snapshot()])
    for tenant, run_id in ((TENANT, 99), (OTHER_TENANT, 1)):
        records = stores.steps.read_step(tenant, run_id, 0)
        assert (records.run, records.snapshot, records.answered) == (None, None, False)


def test_sources_are_the_answers_and_variables_that_the_snapshot_refers_to(stores: RunStores) -> None:
    """Two payloads share a name: the position in the reference identifies the right one."""
    references = [
        Reference(name="draft", source="response", position=1),
        Reference(name="long", source="response", position=2),
        Reference(name="topic", source="variable"),
        Reference(name="nobody", source="missing"),
    ]
    variables = {"topic": "relays", "options": {"tone": "é", "ratio": 0.5}}
    stores.runs.create(a_run(total=4), variables, [a_snapshot(3, references=references)])
    stores.steps.store_response(a_run(), a_response(0, content="the first draft", payload_name="draft"))
    stores.steps.store_response(a_run(), a_response(1, content="the second draft", payload_name="draft"))
    stores.steps.store_response(a_run(), a_response(2, content=LONG, payload_name="long"))
    sources = stores.steps.read_sources(a_run(total=4), references)
    assert sources == Sources(contents={1: "the second draft", 2: LONG}, variables=variables)


def test_two_names_may_refer_to_one_response(stores: RunStores) -> None:
    """DynamoDB rejects a read with a duplicate key."""
    references = [Reference(name=name, source="response", position=0) for name in ("a", "b")]
    stores.runs.create(a_run(), {}, [])
    stores.steps.store_response(a_run(), a_response(0))
    sources = stores.steps.read_sources(a_run(), references)
    assert sources == Sources(contents={0: "An answer."})


def test_a_prompt_may_refer_to_more_responses_than_one_batch_returns(stores: RunStores) -> None:
    """DynamoDB reads at most 100 items at once."""
    stores.runs.create(a_run(total=151), {}, [])
    for position in range(150):
        stores.steps.store_response(a_run(), a_response(position, total=151, content=f"answer {position}"))
    references = [Reference(name=f"p{position}", source="response", position=position) for position in range(150)]
    sources = stores.steps.read_sources(a_run(total=151), references)
    assert sources.contents == {position: f"answer {position}" for position in range(150)}


def test_a_prompt_without_references_has_no_sources(stores: RunStores) -> None:
    stores.runs.create(a_run(), {"topic": "relays"}, [])
    missing = [Reference(name="nobody", source="missing")]
    assert stores.steps.read_sources(a_run(), []) == Sources()
    assert stores.steps.read_sources(a_run(), missing) == Sources()


SECOND = NextPayload(position=1, payload_id=12, payload_name="second")


def test_a_response_is_stored_with_its_tokens_and_the_start_of_the_next_payload(stores: RunStores) -> None:
    run = a_run(payload_id=11, payload_name="first", payload_started_at=AT_NOON, usage=TokenUsage(prompt_tokens=7))
    stores.runs.create(run, {}, [])
    metadata = {"prompt_tokens": 3, "completion_tokens": 5}
    response = a_response(0, following=SECOND, published_characters=4, metadata=metadata)
    stores.steps.store_response(run, response)
    history = stores.runs.read_history(TENANT, 1)
    assert history.run == a_run(
        completed=1,
        position=1,
        payload_id=12,
        payload_name="second",
        payload_started_at=response.created_at,
        started_with_response=True,
        usage=TokenUsage(prompt_tokens=10, completion_tokens=5),
    )
    assert [as_stored(one) for one in history.responses] == [replace(response, prompt=None)]


def test_the_last_response_completes_all_payloads(stores: RunStores) -> None:
    run = a_run(completed=1, position=1, payload_id=12, payload_name="second", payload_started_at=AT_NOON)
    stores.runs.create(run, {}, [])
    stores.steps.store_response(run, a_response(1, metadata={"prompt_tokens": None}))
    assert stores.runs.read(TENANT, 1) == replace(run, completed=2, usage=TokenUsage())


@pytest.mark.parametrize(
    "stored",
    [a_run(status="cancelled"), a_run(status="failed"), a_run(attempt=2)],
    ids=["cancelled", "failed", "resumed"],
)
def test_a_response_to_an_earlier_state_of_the_run_is_stored_and_counted_without_the_next_start(
    stores: RunStores, stored: Run
) -> None:
    stores.runs.create(stored, {}, [])
    response = a_response(0, following=SECOND, metadata={"prompt_tokens": 3, "completion_tokens": 5})
    stores.steps.store_response(a_run(), response)
    history = stores.runs.read_history(TENANT, 1)
    assert history.run == replace(stored, completed=1, usage=TokenUsage(prompt_tokens=3, completion_tokens=5))
    assert [as_stored(one) for one in history.responses] == [replace(response, prompt=None, following=None)]


def test_a_response_at_a_position_that_the_newest_definition_does_not_have_is_not_stored(stores: RunStores) -> None:
    stored = a_run(status="completed", attempt=2, total=1, completed=1)
    stores.runs.create(stored, {}, [])
    with pytest.raises(AttemptSuperseded):
        stores.steps.store_response(a_run(), a_response(1))
    assert stores.runs.read_history(TENANT, 1).responses == ()
    assert stores.runs.read(TENANT, 1) == stored


def test_a_response_of_a_deleted_run_is_not_stored(stores: RunStores) -> None:
    with pytest.raises(AttemptSuperseded):
        stores.steps.store_response(a_run(), a_response(0, following=SECOND))
    assert stores.runs.read_responses(TENANT, 1, 10, None).items == []


def test_the_tokens_of_a_rejected_response_are_not_counted(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    metadata = {"prompt_tokens": 3, "completion_tokens": 5}
    for run in (a_run(), a_run(), a_run(attempt=2)):
        with suppress(ResponseAlreadyStored):
            stores.steps.store_response(run, a_response(0, metadata=metadata))
    assert stores.runs.read(TENANT, 1).usage == TokenUsage(prompt_tokens=3, completion_tokens=5)


def test_an_older_run_has_no_usage(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    assert stores.runs.read(TENANT, 1).usage is None


def test_a_run_that_is_written_in_a_transaction_is_changed_after_it(
    dynamodb_stores: RunStores, aws: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client cancels the run just as a response is stored."""
    dynamodb_stores.runs.create(a_run(), {}, [])
    conflicts = iter(range(2))

    def conflict(**_: object) -> None:
        if next(conflicts, None) is not None:
            raise ClientError({"Error": {"Code": "TransactionConflictException"}}, "UpdateItem")

    monkeypatch.setattr("baton.adapters.dynamodb.throttling.time.sleep", lambda _: None)
    aws.dynamodb.meta.events.register("before-call.dynamodb.UpdateItem", conflict)
    cancel(dynamodb_stores, a_run())
    aws.dynamodb.meta.events.unregister("before-call.dynamodb.UpdateItem", conflict)
    assert dynamodb_stores.runs.read(TENANT, 1).status == "cancelled"


def test_the_start_of_a_payload_is_stored_in_the_run(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    stores.steps.start_payload(a_run(), a_snapshot(1, name="second").payload, AT_NOON)
    assert stores.runs.read(TENANT, 1) == a_run(
        position=1, completed=1, payload_id=12, payload_name="second", payload_started_at=AT_NOON
    )


@pytest.mark.parametrize(
    "stored",
    [a_run(status="cancelled"), a_run(status="failed"), a_run(attempt=2), a_run(id=2), a_run(tenant=OTHER_TENANT)],
    ids=["cancelled", "failed", "resumed", "another run", "another tenant"],
)
def test_a_payload_of_an_earlier_state_of_the_run_does_not_start(stores: RunStores, stored: Run) -> None:
    stores.runs.create(stored, {}, [])
    with pytest.raises(AttemptSuperseded):
        stores.steps.start_payload(a_run(), a_snapshot(1).payload, AT_NOON)
    assert stores.runs.read(stored.tenant, stored.id) == stored


def test_tries_and_waits_are_stored_in_the_run(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    stores.steps.record_tries(a_run(), 5, 30)
    assert stores.runs.read(TENANT, 1) == a_run(tries=5, waited_seconds=30)


@pytest.mark.parametrize("stored", [a_run(status="cancelled"), a_run(attempt=2)], ids=["cancelled", "resumed"])
def test_a_superseded_attempt_changes_nothing_in_the_run(stores: RunStores, stored: Run) -> None:
    stores.runs.create(stored, {}, [])
    with pytest.raises(AttemptSuperseded):
        stores.steps.record_tries(a_run(), 5, 30)
    assert stores.runs.read(TENANT, 1) == stored


def test_a_snapshot_is_read_back_with_its_limits_and_fallbacks(stores: RunStores) -> None:
    limits = LlmLimits(max_concurrency=2, tokens_per_minute=1_000)
    other = LlmTarget(
        endpoint=an_endpoint(instance_id=6, limits=limits, api_key_header="api-key"),
        settings=LlmSettings(stop=("END",), stream=False, response_format={"type": "object"}),
    )
    snapshot = a_snapshot(0, targets=(LlmTarget(endpoint=an_endpoint(limits=limits), settings=LlmSettings()), other))
    stores.runs.create(a_run(), {}, [snapshot])
    assert stores.runs.read_snapshots(a_run()) == [snapshot]


def test_a_history_contains_no_parts_of_answers(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [a_snapshot(0)])
    before = stores.runs.read_history(TENANT, 1)
    stores.steps.publish_part(a_part())
    stores.steps.publish_part(a_part(offset=6, delta="wer."))
    assert stores.runs.read_history(TENANT, 1) == before
    assert stores.runs.read_responses(TENANT, 1, 10, None).items == []
    assert len(stores.runs.read_snapshots(a_run())) == 1


def test_only_the_latest_part_of_an_answer_is_stored(dynamodb_stores: RunStores, aws: Account) -> None:
    for offset in range(3):
        dynamodb_stores.steps.publish_part(a_part(offset=offset))
    (item,) = aws.items(aws.runs_table)
    assert partial_answer_from_item(item) == a_part(offset=2)


def test_a_part_without_a_known_speed_is_read_back(dynamodb_stores: RunStores, aws: Account) -> None:
    """The first part may have no speed. A record that can't be read would block all later records of the stream."""
    dynamodb_stores.steps.publish_part(a_part(tokens_per_second=None))
    (item,) = aws.items(aws.runs_table)
    assert partial_answer_from_item(item) == a_part(tokens_per_second=None)


def test_a_stored_response_is_read_back(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    metadata = {"tokens_per_second": 0.1, "finish_reason": None, "references": [{"name": "x", "source": "missing"}]}
    response = a_response(0, metadata=metadata)
    stores.steps.store_response(a_run(), response)
    (listed,) = stores.runs.read_responses(TENANT, 1, 10, None).items
    assert as_stored(listed) == as_stored(stores.runs.read_response(TENANT, 1, 0)) == response


def test_a_long_text_is_read_truncated_and_stored_completely(dynamodb_stores: RunStores, aws: Account) -> None:
    stores, texts = dynamodb_stores, S3Texts(lambda: aws.s3, aws.texts_bucket)
    stores.runs.create(a_run(), {}, [])
    stores.steps.store_response(a_run(), a_response(0, content=LONG, prompt=LONG + "?"))
    (response,) = stores.runs.read_responses(TENANT, 1, 10, None).items
    (in_history,) = stores.runs.read_history(TENANT, 1).responses
    assert in_history == replace(response, prompt=None, prompt_key=None, prompt_bytes=None, prompt_truncated=False)
    assert LONG.startswith(response.content)
    assert LONG.startswith(response.prompt or "-")
    assert (response.content_truncated, response.content_bytes) == (True, len(LONG.encode()))
    assert (response.prompt_truncated, response.prompt_bytes) == (True, len(LONG.encode()) + 1)
    assert texts.get(response.content_key or "") == LONG
    assert texts.get(response.prompt_key or "") == LONG + "?"


def test_a_prefix_of_a_long_text_can_be_read_without_a_split_character(aws: Account) -> None:
    texts = S3Texts(lambda: aws.s3, aws.texts_bucket)
    key = texts.put("folder", "é" * 10)
    assert [texts.beginning(key, most) for most in (1, 2, 3, 19, 20, 99)] == ["", "é", "é", "é" * 9, "é" * 10, "é" * 10]


@pytest.mark.parametrize(
    ("tenant", "run_id", "position", "sentence"),
    [
        (TENANT, 1, 1, "There is no response of run 1 at position 1."),
        (TENANT, 2, 0, "There is no run 2."),
        (OTHER_TENANT, 1, 0, "There is no run 1."),
    ],
)
def test_a_missing_response_is_not_found(
    stores: RunStores, tenant: str, run_id: int, position: int, sentence: str
) -> None:
    stores.runs.create(a_run(), {}, [])
    stores.steps.store_response(a_run(), a_response(0))
    with pytest.raises(NotFound, match=sentence):
        stores.runs.read_response(tenant, run_id, position)


def test_an_empty_answer_is_stored_as_a_response(stores: RunStores) -> None:
    stores.runs.create(a_run(), {}, [])
    stores.steps.store_response(a_run(), a_response(0, content=""))
    assert stores.runs.read_history(TENANT, 1).responses[0].content == ""
    assert stores.steps.read_step(TENANT, 1, 0).answered


@pytest.mark.parametrize("first", [a_response(0, content="first"), a_response(0, content=LONG)], ids=["short", "long"])
def test_a_second_response_of_a_position_is_rejected_and_the_first_is_unchanged(
    stores: RunStores, first: Response
) -> None:
    stores.runs.create(a_run(), {}, [])
    stores.steps.store_response(a_run(), first)
    with pytest.raises(ResponseAlreadyStored, match="position 0"):
        stores.steps.store_response(a_run(), replace(first, content="second" + LONG))
    (kept,) = stores.runs.read_history(TENANT, 1).responses
    assert first.content.startswith(kept.content)


def test_an_older_run_has_the_on_missing_that_is_stored_with_its_snapshots(
    dynamodb_stores: RunStores, aws: Account
) -> None:
    dynamodb_stores.runs.create(a_run(), {}, [a_snapshot()])
    key = {"pk": {"S": f"{TENANT}#RUN#1"}}
    aws.dynamodb.update_item(
        TableName=aws.runs_table, Key={**key, "sk": {"S": "RUN"}}, UpdateExpression="REMOVE on_missing"
    )
    aws.dynamodb.update_item(
        TableName=aws.runs_table,
        Key={**key, "sk": {"S": "PAYLOAD#0000"}},
        UpdateExpression="SET on_missing = :fail",
        ExpressionAttributeValues={":fail": {"S": "fail"}},
    )
    run = dynamodb_stores.steps.read_step(TENANT, 1, 0).run
    assert run is not None
    assert run.on_missing == dynamodb_stores.runs.read(TENANT, 1).on_missing == "fail"
