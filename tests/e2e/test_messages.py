"""What subscribers hear of a run, over real WebSockets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.e2e.baton import Baton, Prompt
from tests.e2e.live import complete_outline, is_a, is_the_end_of, outline, without_parts


def test_a_run_is_told_from_its_start_over_each_payload_to_its_end(baton: Baton) -> None:
    workflow_id = baton.workflow(
        "told in order",
        [
            Prompt("question", "What is {{subject}}?", {"answer": "A relay."}),
            Prompt("reply", "You said: {{question}}", {"answer": "So I did."}),
            Prompt("last word"),
        ],
    )
    with baton.listen() as listener:
        run_id = baton.start(workflow_id, {"subject": "Baton"})
        listener.hear_until(is_the_end_of(run_id))
        told = [message for message in listener.heard if message["data"]["runId"] == run_id]
    responses = baton.ended(run_id)["responses"]

    assert outline(told) == complete_outline(3)
    assert all(message.keys() == {"type", "id", "timestamp", "data"} for message in told)
    assert len({message["id"] for message in told}) == len(told)
    times = [datetime.fromisoformat(message["timestamp"]) for message in told]
    assert times == sorted(times)

    data = [message["data"] for message in told]
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
    assert data[-1] == {"runId": run_id, "workflowId": workflow_id, "status": "completed", "progress": 100}
    assert [response["content"] for response in responses[:2]] == ["A relay.", "So I did."]


def test_a_client_that_comes_in_the_middle_hears_the_same_facts(baton: Baton) -> None:
    prompts = [Prompt(name, options={"delay_seconds": 1}) for name in ("slow start", "slow middle", "slow end")]
    workflow_id = baton.workflow("joined late", prompts)
    with baton.listen() as early:
        run_id = baton.start(workflow_id)
        early.hear_until(is_a("payload_completed", run_id=run_id))
        with baton.listen() as late:
            late.subscribe(run_id)
            for listener in (early, late):
                listener.hear_until(is_the_end_of(run_id))
            facts = without_parts(early.of_run(run_id))
            assert outline(facts) == complete_outline(3)
            # What happens meanwhile may be told between what has happened: a client sorts by id, not by arrival.
            by_id = {fact["id"]: fact for fact in without_parts(late.of_run(run_id))}
            assert [by_id.get(fact["id"]) for fact in facts] == facts
            assert len(by_id) == len(facts)


def test_a_client_that_comes_after_the_end_hears_the_same_facts(baton: Baton) -> None:
    workflow_id = baton.workflow("joined at the end", [Prompt("gone by"), Prompt("gone by too")])
    with baton.listen() as early:
        run_id = baton.start(workflow_id)
        early.hear_until(is_the_end_of(run_id))
        with baton.listen() as late:
            late.subscribe(run_id)
            late.hear_until(is_the_end_of(run_id))
            assert late.of_run(run_id) == early.of_run(run_id)
    assert outline(early.of_run(run_id)) == complete_outline(2)


def test_a_connection_for_one_run_hears_no_other(baton: Baton) -> None:
    workflow_id = baton.workflow(
        "one of two", [Prompt("of one", options={"delay_seconds": 1}), Prompt("of one, again")]
    )
    first = baton.start(workflow_id)
    with baton.listen(f"?runId={first}") as narrowed, baton.listen() as everything:
        second = baton.start(workflow_id)
        everything.hear_until(is_the_end_of(second))
        narrowed.hear_until(is_the_end_of(first))
        narrowed.ping()
        assert narrowed.of_run(second) == []
        assert outline(everything.of_run(second)) == complete_outline(2)


def test_an_unsubscribed_run_is_heard_no_more(baton: Baton) -> None:
    workflow_id = baton.workflow(
        "left in the middle", [Prompt("heard"), Prompt("unheard", options={"delay_seconds": 2})]
    )
    with baton.listen() as leaving, baton.listen() as staying:
        run_id = baton.start(workflow_id)
        leaving.subscribe(run_id)
        leaving.hear_until(is_a("payload_completed", run_id=run_id))
        leaving.say({"action": "unsubscribe", "runId": run_id})
        leaving.ping()
        staying.hear_until(is_the_end_of(run_id))
        leaving.ping()
        assert ("payload_completed", 1) not in outline(leaving.of_run(run_id))
        assert is_the_end_of(run_id)(staying.heard[-1])
        assert not [message for message in leaving.heard if is_the_end_of(run_id)(message)]


def progress(run_id: int, workflow_id: int, completed: int) -> dict[str, Any]:
    """What an ``execution_progress`` of a run of three says, with no payload in it."""
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
