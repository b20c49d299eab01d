"""Messages: stable ids, bounded sizes and the same messages for every subscriber."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.live.messages import (
    MAX_CONTENT_BYTES,
    Change,
    Message,
    message_of_response,
    messages_of_change,
    messages_of_history,
    written_ms,
)
from baton.domain.runs.responses import NextPayload
from baton.domain.runs.run import Run, RunHistory, after_response, payload_started
from tests.support.records import AT_NOON, TENANT, a_response, a_run

MAX_BYTES_OF_A_FRAME = 128 * 1024
"""What API Gateway sends at most.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
"""


def messages_of_write(old: Run | None, new: Run) -> list[Message]:
    return messages_of_change(Change(index=0, old=old, new=new))


def data_of(old: Run | None, new: Run) -> dict[str, Any]:
    (message,) = messages_of_write(old, new)
    return message.data


def test_a_created_run_has_no_messages() -> None:
    assert messages_of_write(None, a_run(status="created", started_at=None)) == []


def test_a_run_that_starts_running_sends_its_progress() -> None:
    (message,) = messages_of_write(a_run(status="created", started_at=None), a_run())
    assert json.loads(message.encode()) == {
        "type": "execution_progress",
        "id": "1-1-execution_progress",
        "timestamp": "2026-01-31T12:00:00.100Z",
        "data": {
            "runId": 1,
            "workflowId": 7,
            "payloadId": None,
            "payloadName": None,
            "position": None,
            "status": "running",
            "completed": 0,
            "total": 2,
            "progress": 0,
            "metadata": {"attempt": 1},
        },
    }


def test_a_started_payload_sends_its_position_and_progress() -> None:
    started = a_run(position=1, completed=1, payload_id=12, payload_name="second", payload_started_at=AT_NOON)
    (message,) = messages_of_write(a_run(), started)
    assert (message.type, message.id, message.timestamp) == ("execution_progress", "1-1-execution_progress-1", AT_NOON)
    told_data = {name: message.data[name] for name in ("payloadId", "payloadName", "position", "completed", "progress")}
    assert told_data == {"payloadId": 12, "payloadName": "second", "position": 1, "completed": 1, "progress": 50}


def test_a_response_sends_its_content() -> None:
    (message,) = messages_of_change(Change(index=0, old=None, new=a_response(0, total=4)))
    assert json.loads(message.encode()) == {
        "type": "payload_completed",
        "id": "1-payload_completed-0",
        "timestamp": "2026-01-31T12:00:01.000Z",
        "data": {
            "runId": 1,
            "workflowId": 7,
            "payloadId": 11,
            "payloadName": "first",
            "position": 0,
            "content": "An answer.",
            "progress": 25,
            "metadata": {"model": "small-1", "tokens_per_second": 12.5, "references": []},
        },
    }


def test_a_rewritten_response_has_no_message() -> None:
    assert messages_of_change(Change(index=0, old=a_response(), new=a_response())) == []


def test_a_run_that_ends_sends_a_message_with_its_status() -> None:
    ends = {"runId": 1, "workflowId": 7, "metadata": {"attempt": 1}}
    completed, failed = a_run(status="completed"), a_run(status="failed", error="It broke.")
    assert data_of(a_run(), completed) == {**ends, "status": "completed", "progress": 100}
    assert data_of(a_run(), failed) == {**ends, "status": "failed", "error": "It broke."}
    assert data_of(a_run(), a_run(status="cancelled")) == {**ends, "status": "cancelled"}
    types = [messages_of_write(a_run(), end)[0].type for end in (completed, failed, a_run(status="cancelled"))]
    assert types == ["workflow_completed", "workflow_failed", "workflow_cancelled"]


def test_a_run_that_could_not_start_has_a_workflow_failed_message() -> None:
    created = a_run(status="created", started_at=None)
    failed = replace(created, status="failed", error="It could not be started.", completed_at=AT_NOON)
    assert [message.type for message in messages_of_write(created, failed)] == ["workflow_failed"]


def test_other_writes_of_a_run_have_no_message() -> None:
    started = a_run(payload_started_at=AT_NOON)
    assert messages_of_write(started, replace(started, completed=1)) == []
    ended = a_run(status="failed", error="It broke.")
    assert messages_of_write(ended, ended) == []


def test_one_write_can_cause_several_messages_in_order() -> None:
    """A stream record may be the only remaining record of a run."""
    ended = a_run(status="completed", payload_id=12, payload_started_at=AT_NOON, position=1)
    assert [message.id for message in messages_of_write(None, ended)] == [
        "1-1-execution_progress-1",
        "1-1-workflow_completed",
    ]


def test_a_payload_that_starts_with_the_run_has_a_message_after_that_of_the_run() -> None:
    created = a_run(status="created", started_at=None, payload_id=11, payload_name="first")
    running = replace(created, status="running", started_at=AT_NOON, payload_started_at=AT_NOON)
    assert [message.id for message in messages_of_write(created, running)] == [
        "1-1-execution_progress",
        "1-1-execution_progress-0",
    ]


def test_a_payload_that_starts_with_a_response_has_one_message_after_that_of_the_response() -> None:
    response = a_response(following=NextPayload(position=1, payload_id=12, payload_name="second"))
    before = a_run(payload_id=11, payload_name="first", payload_started_at=AT_NOON)
    completed, started = messages_of_change(Change(index=0, old=None, new=response))
    assert (completed.type, completed.data["position"]) == ("payload_completed", 0)
    after = after_response(before, response)
    assert messages_of_write(before, after) == []
    history = RunHistory(run=after, variables={}, responses=(response,))
    assert list(messages_of_history(history))[-2:] == [completed, started]
    assert started.data | {"metadata": {}} == {
        "runId": 1,
        "workflowId": 7,
        "payloadId": 12,
        "payloadName": "second",
        "position": 1,
        "status": "running",
        "completed": 1,
        "total": 2,
        "progress": 50,
        "metadata": {},
    }


def test_a_payload_that_is_not_known_has_no_message_until_it_starts_by_itself() -> None:
    """As after a resume at another position, before the payload's function has run."""
    resumed = a_run(attempt=2, position=1)
    marked = replace(resumed, payload_started_at=AT_NOON)
    assert messages_of_write(resumed, marked) == []
    payload = NextPayload(position=1, payload_id=12, payload_name="second")
    (message,) = messages_of_write(marked, payload_started(marked, payload, AT_NOON))
    assert (message.id, message.data["payloadName"]) == ("1-2-execution_progress-1", "second")


def test_the_rest_of_a_streamed_answer_precedes_its_response() -> None:
    rest, completed = messages_of_change(Change(index=0, old=None, new=a_response(published_characters=3)))
    assert (rest.type, rest.data["delta"], rest.data["offset"]) == ("execution_progress", "answer.", 3)
    assert rest.id == f"1-1-execution_progress-0-{completed.timestamp}-3"
    assert rest.data["metadata"] == {"attempt": 1, "tokens_per_second": 12.5}
    assert completed.type == "payload_completed"


@pytest.mark.parametrize("published", [None, len("An answer.")])
def test_a_published_answer_has_no_rest(published: int | None) -> None:
    messages = messages_of_change(Change(index=0, old=None, new=a_response(published_characters=published)))
    assert [message.type for message in messages] == ["payload_completed"]


def test_each_attempt_has_its_own_ids() -> None:
    resumed = a_run(attempt=2, first_position=1, position=1, completed=1)
    (message,) = messages_of_write(a_run(status="failed"), resumed)
    assert (message.id, message.data["progress"], message.data["completed"]) == ("1-2-execution_progress", 50, 1)


def test_ids_differ_by_run_position_type_and_attempt() -> None:
    runs = [a_run(id=id_, attempt=attempt, payload_id=12) for id_ in (1, 11) for attempt in (1, 11)]
    ids = [
        message.id
        for run in runs
        for change in (
            (replace(run, status="created"), run),
            (run, replace(run, payload_started_at=AT_NOON, position=1)),
            (run, replace(run, payload_started_at=AT_NOON, position=11)),
            (run, replace(run, status="completed")),
            (run, replace(run, status="failed")),
            (run, replace(run, status="cancelled")),
        )
        for message in messages_of_write(*change)
    ]
    assert len(ids) == len(set(ids)) == 24


@pytest.mark.parametrize("total", [1, 3, 7, 200])
def test_progress_increases_from_0_to_100(total: int) -> None:
    responses = [message_of_response(a_response(position, total=total)) for position in range(total)]
    progress = [message.data["progress"] for message in responses]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    assert all(0 <= percent <= 100 for percent in progress)


def test_a_content_within_the_maximum_is_sent_completely() -> None:
    content = "x" * (MAX_CONTENT_BYTES - 2)
    data = message_of_response(a_response(content=content)).data
    assert data["content"] == content
    assert "contentTruncated" not in data


@given(st.sampled_from(["x", "é", "名", "😀", '"', "\\", "\n", "\x00", '😀"é\x01x']), st.integers(0, 3))
def test_a_long_content_is_truncated_to_its_maximum_as_json_and_marked(piece: str, odd: int) -> None:
    """The bound is on the bytes that are sent: a quote is two, a control character six, and no character is split."""
    content = "." * odd + piece * 120_000
    message = message_of_response(a_response(content=content))
    prefix = message.data["content"]
    sent = len(json.dumps(prefix, ensure_ascii=False).encode())
    following = len(json.dumps(content[len(prefix)], ensure_ascii=False).encode()) - 2
    assert content.startswith(prefix)
    assert sent <= MAX_CONTENT_BYTES < sent + following
    assert message.data["contentTruncated"] is True
    assert len(message.encode()) <= MAX_BYTES_OF_A_FRAME


@given(st.text(max_size=200))
def test_a_short_content_is_sent_unchanged(content: str) -> None:
    message = message_of_response(a_response(content=content))
    assert json.loads(message.encode())["data"]["content"] == content
    assert "contentTruncated" not in message.data


def test_a_message_of_a_payload_with_very_many_references_can_still_be_sent() -> None:
    references = [{"name": f"a name that is rather long {number}", "source": "missing"} for number in range(2000)]
    message = message_of_response(a_response(content="x" * 100_000, metadata={"references": references}))
    assert len(message.encode()) <= MAX_BYTES_OF_A_FRAME


def test_a_truncated_content_is_marked() -> None:
    assert (
        message_of_response(a_response(content="The beginn", content_truncated=True)).data["contentTruncated"] is True
    )


def test_a_long_content_is_sent_the_same_from_its_prefix_or_the_whole() -> None:
    """A stream record contains only the beginning, the run's own records contain the complete text."""
    whole = "é\n" * 100_000
    beginning = whole.encode()[:100_000].decode(errors="ignore")
    assert message_of_response(a_response(content=whole)) == message_of_response(
        a_response(content=beginning, content_truncated=True)
    )


def test_a_created_run_has_no_history() -> None:
    created = RunHistory(run=a_run(status="created", started_at=None), variables={}, responses=())
    assert list(messages_of_history(created)) == []


def test_a_run_that_an_older_version_has_resumed_has_the_answers_of_its_earlier_attempts() -> None:
    """Their start and end are not known, and the current attempt has the start of the first one."""
    run = a_run(status="failed", attempt=3, first_position=1, completed_at=AT_NOON, error="It broke.")
    history = RunHistory(run=run, variables={}, responses=(a_response(0, attempt=1),))
    messages = list(messages_of_history(history))
    assert [message.id for message in messages] == [
        "1-1-execution_progress-0",
        "1-payload_completed-0",
        "1-3-execution_progress",
        "1-3-workflow_failed",
    ]
    assert messages[2].timestamp == run.started_at


def test_messages_belong_to_the_tenant_and_run_of_their_record() -> None:
    history = RunHistory(run=a_run(status="completed"), variables={}, responses=(a_response(),))
    assert {(message.tenant, message.run_id) for message in messages_of_history(history)} == {(TENANT, 1)}


SECOND = 1_769_860_800
"""Of ``AT_NOON``."""


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2026-01-31T12:00:00.250Z", SECOND * 1000 + 250),
        ("2026-01-31T11:00:00.250Z", SECOND * 1000),
        ("2026-01-31T12:00:03.250Z", SECOND * 1000 + 999),
    ],
    ids=["in the second of the write", "older, by a clock that is behind", "by a clock that is ahead"],
)
def test_a_change_is_written_at_the_time_of_its_message_within_the_second_of_the_write(
    timestamp: str, expected: int
) -> None:
    change = Change(index=0, old=None, new=a_response(created_at=timestamp), written_second=SECOND)
    assert written_ms(change, messages_of_change(change)) == expected


def test_without_the_second_of_the_write_its_time_is_not_known() -> None:
    change = Change(index=0, old=None, new=a_response())
    assert written_ms(change, messages_of_change(change)) is None
