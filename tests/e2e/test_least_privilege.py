"""Every statement of a policy is needed: without it the path that it is for breaks, and nothing else allows it."""

from __future__ import annotations

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import complete_outline, is_the_end_of, outline
from tests.e2e.waiting import eventually

NOTIFY_LOG = "/aws/lambda/baton/notify_subscribers"


def test_without_its_send_messages_statement_no_change_reaches_a_subscriber(baton: Baton, cloud: Cloud) -> None:
    workflow_id = baton.workflow("unheard of", [Prompt("unheard of")])
    with baton.listen() as listener:
        with cloud.without("NotifySubscribersFunction", "SendMessages"):
            unheard = baton.start(workflow_id)
            assert baton.ended(unheard)["status"] == "completed"
            unsupported_settings = eventually(lambda: send_refusals(cloud), lambda lines: len(lines) > 0)
            assert listener.ping() == []  # the function that answers a ping has a policy of its own
            listener.subscribe(unheard)
            listener.hear_until(is_the_end_of(unheard))
            listener.ping()
        told = [message for message in listener.heard if message["type"] != "pong"]
    assert all("subscribers not notified" in line for line in unsupported_settings)
    assert outline(told) == complete_outline(1)  # each once, from subscribing; a change that was sent would be a second

    with baton.listen() as listener:
        heard = baton.start(workflow_id)
        listener.hear_until(is_the_end_of(heard))
        assert outline(listener.of_run(heard)) == complete_outline(1)


def test_without_its_store_responses_statement_a_payload_stops_and_the_run_says_so(baton: Baton, cloud: Cloud) -> None:
    workflow_id = baton.workflow("unstored", [Prompt("unstored")])
    with cloud.without("ExecutePayloadFunction", "StoreResponses"):
        run = baton.ended(baton.start(workflow_id))
    assert (run["status"], run["responses"]) == ("failed", [])
    assert run["metadata"]["error"].startswith("Payload 1 of the run stopped without an answer")

    baton.call("POST", f"/api/runs/{run['id']}/resume")
    assert baton.ended(run["id"])["status"] == "completed"


def test_without_its_start_runs_statement_a_run_fails_instead_of_waiting_for_ever(baton: Baton, cloud: Cloud) -> None:
    workflow_id = baton.workflow("unstarted", [Prompt("unstarted")])
    with cloud.without("RunsApiFunction", "StartRuns"):
        answer = baton.ask("POST", f"/api/execute/workflow/{workflow_id}")
        [run] = baton.call("GET", f"/api/runs?workflow_id={workflow_id}")["items"]
    assert (answer.status_code, answer.json()["type"]) == (500, "internal-error")
    assert (run["status"], run["started_at"]) == ("failed", None)
    assert "could not be started" in run["metadata"]["error"]
    assert baton.ended(baton.start(workflow_id))["status"] == "completed"


def send_refusals(cloud: Cloud) -> list[str]:
    """What the function logged of messages that it was not allowed to send."""
    return [line for line in cloud.log(NOTIFY_LOG) if "AccessDenied" in line or "execute-api:ManageConnections" in line]
