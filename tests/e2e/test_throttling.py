"""A provider that asks for patience gets it from a Wait state, within bounds."""

from __future__ import annotations

from datetime import timedelta

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import complete_outline, is_the_end_of, outline


def test_a_retry_after_is_waited_out_in_a_wait_state(baton: Baton, cloud: Cloud) -> None:
    options = {"throttle_tries": 1, "retry_after_seconds": 2}
    workflow_id = baton.workflow("throttled once", [Prompt("asked twice", options=options), Prompt("asked once")])
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.hear_until(is_the_end_of(run_id))
        facts = listener.of_run(run_id)
    run = baton.ended(run_id)

    assert run["status"] == "completed"
    assert [response["metadata"]["tries"] for response in run["responses"]] == [1, 0]
    assert outline(facts) == complete_outline(2)
    [waited] = waits(cloud, run_id)
    assert timedelta(seconds=2) <= waited < timedelta(seconds=10)


def test_five_refusals_in_a_row_fail_the_run_and_say_where(baton: Baton, cloud: Cloud) -> None:
    options = {"throttle_tries": 5, "retry_after_seconds": 1}
    workflow_id = baton.workflow(
        "throttled too often", [Prompt("patient", options={"answer": "Kept."}), Prompt("impatient", options=options)]
    )
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        failed = listener.hear_until(is_the_end_of(run_id))
    run = baton.ended(run_id)

    assert run["status"] == "failed"
    assert run["metadata"]["error"] == (
        "Payload 'impatient' (position 1): LLM instance 'instance of throttled too often' answered with status 429:"
        " A simulated rate limit. Given up after 5 calls."
    )
    assert (failed["type"], failed["data"]["error"]) == ("workflow_failed", run["metadata"]["error"])
    assert [response["content"] for response in run["responses"]] == ["Kept."]
    assert len(waits(cloud, run_id)) == 4


def waits(cloud: Cloud, run_id: int) -> list[timedelta]:
    """How long each Wait state of the run's first execution lasted."""
    history = cloud.history(run_id)
    entered = [event["timestamp"] for event in history if event["type"] == "WaitStateEntered"]
    exited = [event["timestamp"] for event in history if event["type"] == "WaitStateExited"]
    return [end - begin for begin, end in zip(entered, exited, strict=True)]
