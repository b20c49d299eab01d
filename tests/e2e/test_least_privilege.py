"""Every statement of a policy is needed: without it its use case fails, and no other statement allows it."""

from __future__ import annotations

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import complete_outline, is_the_end_of, outline
from tests.e2e.waiting import eventually

NOTIFY_LOG = "/aws/lambda/baton/notify_subscribers"


def test_without_the_send_messages_statement_subscribers_receive_no_changes(baton: Baton, cloud: Cloud) -> None:
    workflow_id = baton.workflow("not notified", [Prompt("not notified")])
    with baton.listen() as listener:
        with cloud.without("NotifySubscribersFunction", "SendMessages"):
            unnotified = baton.start(workflow_id)
            assert baton.ended(unnotified)["status"] == "completed"
            denied = eventually(lambda: denied_sends(cloud), lambda lines: len(lines) > 0)
            assert listener.ping() == []  # the function that answers a ping has its own policy
            listener.subscribe(unnotified)
            listener.receive_until(is_the_end_of(unnotified))
            listener.ping()
        received = [message for message in listener.received if message["type"] != "pong"]
    assert all("subscribers not notified" in line for line in denied)
    assert outline(received) == complete_outline(1)  # from the subscription; sent changes would be repeats

    with baton.listen() as listener:
        notified = baton.start(workflow_id)
        listener.receive_until(is_the_end_of(notified))
        assert outline(listener.of_run(notified)) == complete_outline(1)


def test_without_the_store_responses_statement_the_run_fails_with_the_reason(baton: Baton, cloud: Cloud) -> None:
    workflow_id = baton.workflow("unstored", [Prompt("unstored")])
    with cloud.without("ExecutePayloadFunction", "StoreResponses"):
        run = baton.ended(baton.start(workflow_id))
    assert (run["status"], run["responses"]) == ("failed", [])
    assert run["metadata"]["error"].startswith("Payload 1 of the run stopped without an answer")

    baton.call("POST", f"/api/runs/{run['id']}/resume")
    assert baton.ended(run["id"])["status"] == "completed"


def test_without_the_start_runs_statement_the_run_fails_and_does_not_wait(baton: Baton, cloud: Cloud) -> None:
    workflow_id = baton.workflow("unstarted", [Prompt("unstarted")])
    with cloud.without("RunsApiFunction", "StartRuns"):
        answer = baton.send("POST", f"/api/execute/workflow/{workflow_id}")
        [run] = baton.call("GET", f"/api/runs?workflow_id={workflow_id}")["items"]
    assert (answer.status_code, answer.json()["type"]) == (500, "internal-error")
    assert (run["status"], run["started_at"]) == ("failed", None)
    assert "could not be started" in run["metadata"]["error"]
    assert baton.ended(baton.start(workflow_id))["status"] == "completed"


def denied_sends(cloud: Cloud) -> list[str]:
    """The log lines about messages that the function was not allowed to send."""
    return [line for line in cloud.log(NOTIFY_LOG) if "AccessDenied" in line or "execute-api:ManageConnections" in line]
