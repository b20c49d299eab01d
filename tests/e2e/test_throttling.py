"""A throttled call waits in a Wait state, up to a maximum number of calls."""

from __future__ import annotations

from datetime import timedelta

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import complete_outline, is_the_end_of, outline


def test_retry_after_is_respected_by_a_wait_state(baton: Baton, cloud: Cloud) -> None:
    options = {"throttle_tries": 1, "retry_after_seconds": 2}
    workflow_id = baton.workflow("throttled once", [Prompt("asked twice", options=options), Prompt("asked once")])
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        listener.receive_until(is_the_end_of(run_id))
        messages = listener.of_run(run_id)
    run = baton.ended(run_id)

    assert run["status"] == "completed"
    assert [response["metadata"]["tries"] for response in run["responses"]] == [1, 0]
    assert outline(messages) == complete_outline(2)
    [waited] = waits(cloud, run_id)
    assert timedelta(seconds=2) <= waited < timedelta(seconds=10)


def test_five_throttled_calls_fail_the_run_with_the_payload_and_the_reason(baton: Baton, cloud: Cloud) -> None:
    options = {"throttle_tries": 5, "retry_after_seconds": 1}
    workflow_id = baton.workflow(
        "throttled too often", [Prompt("patient", options={"answer": "Stored."}), Prompt("impatient", options=options)]
    )
    with baton.listen() as listener:
        run_id = baton.start(workflow_id)
        failed = listener.receive_until(is_the_end_of(run_id))
    run = baton.ended(run_id)

    assert run["status"] == "failed"
    assert run["metadata"]["error"] == (
        "Payload 'impatient' (position 1): LLM instance 'instance of throttled too often' answered with status 429:"
        " A simulated rate limit. Given up after 5 calls."
    )
    assert (failed["type"], failed["data"]["error"]) == ("workflow_failed", run["metadata"]["error"])
    assert [response["content"] for response in run["responses"]] == ["Stored."]
    assert len(waits(cloud, run_id)) == 4


def waits(cloud: Cloud, run_id: int) -> list[timedelta]:
    """How long each Wait state of the run's first execution lasted."""
    history = cloud.history(run_id)
    entered = [event["timestamp"] for event in history if event["type"] == "WaitStateEntered"]
    exited = [event["timestamp"] for event in history if event["type"] == "WaitStateExited"]
    return [end - begin for begin, end in zip(entered, exited, strict=True)]
