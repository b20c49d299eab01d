"""Subscribers of a run receive its answer in parts; without subscribers no part is stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import Message, is_a, is_the_end_of

SECONDS = 4
ANSWER = " ".join(f"word{number}" for number in range(60))
SLOWLY = {"answer": ANSWER, "delay_seconds": SECONDS}


def parts(messages: list[Message]) -> list[Message]:
    return [message for message in messages if "delta" in message["data"]]


def parts_in(cloud: Cloud, run_id: int) -> list[dict[str, Any]]:
    """The parts of the run in the table."""
    items = cloud.items("RunsTable")
    return [item for item in items if item["pk"]["S"] == f"default#RUN#{run_id}" and item["sk"]["S"] == "PART"]


def test_parts_of_an_answer_are_published_at_most_twice_a_second(baton: Baton, cloud: Cloud) -> None:
    workflow_id = baton.workflow("growing", [Prompt("grown", options=SLOWLY)])
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        completed = listener.receive_until(is_a("payload_completed", run_id=run_id))
        messages = listener.of_run(run_id)
        listener.receive_until(is_the_end_of(run_id))

    received = parts(messages)
    assert 3 <= len(received) <= 2 * SECONDS + 1
    timestamps = [datetime.fromisoformat(part["timestamp"]) for part in received]
    assert all(later - earlier >= timedelta(seconds=0.5) for earlier, later in pairwise(timestamps[:-1]))
    text = ""
    for part in received:
        assert part["data"]["offset"] == len(text)
        text += part["data"]["delta"]
    assert text == ANSWER
    assert all(part["data"]["metadata"]["tokens_per_second"] > 0 for part in received[1:])
    assert completed["data"]["content"] == baton.ended(run_id)["responses"][0]["content"] == ANSWER
    assert len(parts_in(cloud, run_id)) == 1


def test_without_subscribers_no_part_is_stored_and_a_late_subscriber_receives_the_answer_from_its_start(
    baton: Baton, cloud: Cloud
) -> None:
    workflow_id = baton.workflow(
        "late subscriber",
        [Prompt("without subscribers", options=SLOWLY), Prompt("with a late subscriber", options=SLOWLY)],
    )
    run_id = baton.start(workflow_id)
    with baton.listen("?runId=999999") as elsewhere:
        elsewhere.ping()
        first = baton.eventually_answered(run_id, 1)
        assert first["metadata"]["duration_ms"] >= SECONDS * 1000
        assert parts_in(cloud, run_id) == []
    with baton.listen() as listener:
        listener.subscribe(run_id)
        listener.receive_until(is_the_end_of(run_id))
        received = parts(listener.of_run(run_id))
    assert received[0]["data"]["offset"] == 0
    assert {part["data"]["position"] for part in received} == {1}
    assert "".join(part["data"]["delta"] for part in received) == ANSWER
