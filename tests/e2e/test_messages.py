"""The messages that subscribers receive, over real WebSockets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.e2e.baton import Baton, Prompt
from tests.e2e.live import complete_outline, is_a, is_the_end_of, outline, without_parts


def test_a_client_receives_the_messages_of_a_run_from_its_start_to_its_end(baton: Baton) -> None:
    workflow_id = baton.workflow(
        "in order",
        [
            Prompt("question", "What is {{subject}}?", {"answer": "A relay."}),
            Prompt("reply", "You said: {{question}}", {"answer": "So I did."}),
            Prompt("last word"),
        ],
    )
    with baton.listen() as listener:
        run_id = baton.start(workflow_id, {"subject": "Baton"})
        listener.receive_until(is_the_end_of(run_id))
        received = [message for message in listener.received if message["data"]["runId"] == run_id]
    responses = baton.ended(run_id)["responses"]

    assert outline(received) == complete_outline(3)
    assert all(message.keys() == {"type", "id", "timestamp", "data"} for message in received)
    assert len({message["id"] for message in received}) == len(received)
    times = [datetime.fromisoformat(message["timestamp"]) for message in received]
    assert times == sorted(times)
    parts = [message["data"] for message in received if "delta" in message["data"]]
    assert [part["delta"] for part in parts] == [response["content"] for response in responses]

    data = [message["data"] for message in without_parts(received)]
    assert data[0] == progress(run_id, workflow_id, 0)
    for position, response in enumerate(responses):
        place = {
            "payloadId": response["payload_id"],
            "payloadName": ("question", "reply", "last word")[position],
            "position": position,
        }
        assert data[1 + 2 * position] == progress(run_id, workflow_id, position) | place
        assert data[2 + 2 * position] == place | {
            "runId": run_id,
            "workflowId": workflow_id,
            "content": response["content"],
            "progress": (33, 66, 100)[position],
            "metadata": response["metadata"],
        }
    end = {"runId": run_id, "workflowId": workflow_id, "status": "completed", "metadata": {"attempt": 1}}
    assert data[-1] == end | {"progress": 100}
    assert [response["content"] for response in responses[:2]] == ["A relay.", "So I did."]


def test_a_client_that_subscribes_during_a_run_receives_the_same_messages(baton: Baton) -> None:
    prompts = [Prompt(name, options={"delay_seconds": 1}) for name in ("slow start", "slow middle", "slow end")]
    workflow_id = baton.workflow("joined late", prompts)
    with baton.listen() as early:
        run_id = baton.start(workflow_id)
        early.receive_until(is_a("payload_completed", run_id=run_id))
        with baton.listen() as late:
            late.subscribe(run_id)
            for listener in (early, late):
                listener.receive_until(is_the_end_of(run_id))
            messages = without_parts(early.of_run(run_id))
            assert outline(messages) == complete_outline(3)
            # New messages may arrive between repeated ones: a client sorts by id, not by arrival.
            by_id = {message["id"]: message for message in without_parts(late.of_run(run_id))}
            assert [by_id.get(message["id"]) for message in messages] == messages
            assert len(by_id) == len(messages)


def test_a_client_that_subscribes_after_the_end_receives_the_same_messages(baton: Baton) -> None:
    workflow_id = baton.workflow("joined at the end", [Prompt("gone by"), Prompt("gone by too")])
    with baton.listen() as early:
        run_id = baton.start(workflow_id)
        early.receive_until(is_the_end_of(run_id))
        with baton.listen() as late:
            late.subscribe(run_id)
            late.receive_until(is_the_end_of(run_id))
            assert late.of_run(run_id) == without_parts(early.of_run(run_id))
    assert outline(early.of_run(run_id)) == complete_outline(2)


def test_a_connection_for_one_run_receives_no_messages_of_others(baton: Baton) -> None:
    workflow_id = baton.workflow(
        "one of two", [Prompt("of one", options={"delay_seconds": 1}), Prompt("of one, again")]
    )
    first = baton.start(workflow_id)
    with baton.listen(f"?runId={first}") as narrowed, baton.listen() as everything:
        second = baton.start(workflow_id)
        everything.receive_until(is_the_end_of(second))
        narrowed.receive_until(is_the_end_of(first))
        narrowed.ping()
        assert narrowed.of_run(second) == []
        assert outline(everything.of_run(second)) == complete_outline(2)


def test_after_unsubscribe_no_messages_arrive(baton: Baton) -> None:
    workflow_id = baton.workflow(
        "left in the middle", [Prompt("received"), Prompt("not received", options={"delay_seconds": 2})]
    )
    with baton.listen() as leaving, baton.listen() as staying:
        run_id = baton.start(workflow_id)
        leaving.subscribe(run_id)
        leaving.receive_until(is_a("payload_completed", run_id=run_id))
        leaving.send({"action": "unsubscribe", "runId": run_id})
        leaving.ping()
        staying.receive_until(is_the_end_of(run_id))
        leaving.ping()
        assert ("payload_completed", 1) not in outline(leaving.of_run(run_id))
        assert is_the_end_of(run_id)(staying.received[-1])
        assert not [message for message in leaving.received if is_the_end_of(run_id)(message)]


def progress(run_id: int, workflow_id: int, completed: int) -> dict[str, Any]:
    """The data of an ``execution_progress`` without a payload, of a run of three."""
    return {
        "runId": run_id,
        "workflowId": workflow_id,
        "payloadId": None,
        "payloadName": None,
        "position": None,
        "status": "running",
        "completed": completed,
        "total": 3,
        "progress": (0, 33, 66)[completed],
        "metadata": {"attempt": 1},
    }
