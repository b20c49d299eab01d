"""Live messages: the stream's records through notify_subscribers, and the websocket function."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from baton.domain.errors import LlmRefused
from baton.runtime import wiring
from tests.fakes.clients import FakeWebSockets
from tests.support.deployment import Deployment
from tests.support.events import stream_event, websocket_event
from tests.support.functions import Context, invoke, request
from tests.support.streams import records_of_runs


@pytest.fixture
def clients(baton: Deployment, monkeypatch: pytest.MonkeyPatch) -> FakeWebSockets:  # noqa: ARG001 - its account comes first
    """All WebSocket clients; moto records neither the order of frames nor disconnected clients."""
    fake = FakeWebSockets()
    monkeypatch.setattr(wiring, "web_sockets", lambda: fake)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return fake


def test_a_client_without_subscriptions_receives_a_run_in_order(baton: Deployment, clients: FakeWebSockets) -> None:
    connect("c")
    baton.llm.script("one", "two")
    run = baton.execute(baton.workflow("a", "b"))
    baton.finish(run)
    assert notify(baton) == []
    received = [(m["type"], m["data"].get("position"), m["data"].get("progress")) for m in clients.messages("c")]
    assert received == [
        ("execution_progress", None, 0),
        ("execution_progress", 0, 0),
        ("payload_completed", 0, 50),
        ("execution_progress", 1, 50),
        ("payload_completed", 1, 100),
        ("workflow_completed", None, 100),
    ]
    assert len(set(clients.message_ids("c"))) == len(received)


def test_payload_completed_contains_the_answer(baton: Deployment, clients: FakeWebSockets) -> None:
    connect("c")
    baton.llm.script("one")
    workflow = baton.workflow("a")
    baton.finish(baton.execute(workflow))
    notify(baton)
    (completed,) = [message for message in clients.messages("c") if message["type"] == "payload_completed"]
    assert completed["timestamp"].endswith("Z")
    data = completed["data"]
    assert (data["runId"], data["payloadId"], data["payloadName"], data["content"]) == (1, 1, "p0", "one")
    assert data["metadata"]["total_tokens"] == 8


def test_workflow_failed_contains_the_error(baton: Deployment, clients: FakeWebSockets) -> None:
    connect("c")
    baton.llm.script(LlmRefused("401: wrong key."))
    baton.finish(baton.execute(baton.workflow("a")))
    notify(baton)
    last = clients.messages("c")[-1]
    assert last["type"] == "workflow_failed"
    assert last["data"]["status"] == "failed"
    assert "401: wrong key" in last["data"]["error"]


def test_a_late_subscriber_receives_the_same_messages(baton: Deployment, clients: FakeWebSockets) -> None:
    connect("early")
    connect("late")
    baton.llm.script("one", LlmRefused("401: wrong key."))
    run = baton.execute(baton.workflow("a", "b"))
    baton.finish(run)
    notify(baton)
    clients.sent = [(client, frame) for client, frame in clients.sent if client == "early"]
    send_frame("late", f'{{"action": "subscribe", "runId": {run}}}')
    assert clients.messages("late") == clients.messages("early")


def test_a_late_subscriber_of_a_resumed_run_receives_the_messages_of_both_attempts(
    baton: Deployment, clients: FakeWebSockets
) -> None:
    connect("early")
    connect("late")
    baton.llm.script("one", LlmRefused("401: wrong key."))
    run = baton.execute(baton.workflow("a", "b"))
    baton.finish(run)
    baton.llm.script("two")
    assert request("POST", f"/api/runs/{run}/resume").status == 202
    baton.finish(run, attempt=2)
    notify(baton)
    clients.sent = [(client, frame) for client, frame in clients.sent if client == "early"]
    send_frame("late", f'{{"action": "subscribe", "runId": {run}}}')
    assert clients.messages("late") == clients.messages("early")
    assert [(m["type"], m["data"]["metadata"].get("attempt")) for m in clients.messages("late")] == [
        ("execution_progress", 1),
        ("execution_progress", 1),
        ("payload_completed", None),
        ("execution_progress", 1),
        ("workflow_failed", 1),
        ("execution_progress", 2),
        ("execution_progress", 2),
        ("payload_completed", None),
        ("workflow_completed", 2),
    ]
    times = [message["timestamp"] for message in clients.messages("late")]
    assert times == sorted(times)
    assert times[5] > times[4] > times[0]


def test_a_subscriber_receives_only_its_runs(baton: Deployment, clients: FakeWebSockets) -> None:
    connect("all")
    connect("one", {"runId": "1"})
    connect("narrowed")
    baton.llm.script("x", "y")
    workflow = baton.workflow("a")
    for run in (baton.execute(workflow), baton.execute(workflow)):
        baton.finish(run)
    send_frame("narrowed", '{"action": "subscribe", "runId": 2}')
    clients.sent.clear()
    notify(baton)
    received = {client: {m["data"]["runId"] for m in clients.messages(client)} for client in ("all", "one", "narrowed")}
    assert received == {"all": {1, 2}, "one": {1}, "narrowed": {2}}


def test_after_unsubscribe_no_messages_arrive(baton: Deployment, clients: FakeWebSockets) -> None:
    connect("c", {"runId": "1"})
    send_frame("c", '{"action": "unsubscribe", "runId": 1}')
    baton.llm.script("x")
    baton.finish(baton.execute(baton.workflow("a")))
    notify(baton)
    assert clients.messages("c") == []


def test_a_gone_client_is_deleted_and_does_not_delay_others(
    baton: Deployment, clients: FakeWebSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    for client in ("gone", "there"):
        connect(client)
    clients.gone.add("gone")
    later = wiring.now() + timedelta(seconds=11)
    monkeypatch.setattr(wiring, "now", lambda: later)
    baton.llm.script("x")
    baton.finish(baton.execute(baton.workflow("a")))
    assert notify(baton) == []
    assert len(clients.messages("there")) == 4
    assert {item["sk"]["S"] for item in baton.aws.items(baton.aws.connections_table)} == {"there", "CONNECTION"}


def test_a_client_that_is_still_connecting_is_not_deleted(baton: Deployment, clients: FakeWebSockets) -> None:
    """A connection is stored a moment before it is open."""
    connect("c")
    clients.gone.add("c")
    baton.llm.script("x")
    workflow = baton.workflow("a")
    baton.finish(baton.execute(workflow))
    notify(baton)
    clients.gone.clear()
    notify(baton)
    assert clients.messages("c")[-1]["type"] == "workflow_completed"


def test_a_client_that_never_reads_is_disconnected_and_others_receive_each_message_once(
    baton: Deployment, clients: FakeWebSockets
) -> None:
    for client in ("stuck", "there"):
        connect(client)
    clients.failing["stuck"] = 2
    baton.llm.script("x")
    baton.finish(baton.execute(baton.workflow("a")))
    assert notify(baton) == []
    assert clients.closed == ["stuck"]
    invoke("websocket", websocket_event("DISCONNECT", "stuck"))
    assert {item["sk"]["S"] for item in baton.aws.items(baton.aws.connections_table)} == {"there", "CONNECTION"}
    ids = clients.message_ids("there")
    assert len(ids) == len(set(ids)) == 4


def test_a_client_that_does_not_read_its_history_is_disconnected(baton: Deployment, clients: FakeWebSockets) -> None:
    baton.llm.script("x")
    run = baton.execute(baton.workflow("a"))
    baton.finish(run)
    connect("stuck")
    clients.failing["stuck"] = 5
    assert send_frame("stuck", f'{{"action": "subscribe", "runId": {run}}}') == {"statusCode": 200}
    assert clients.closed == ["stuck"]
    assert baton.aws.items(baton.aws.connections_table) == []


def test_a_client_that_reads_its_history_slowly_is_not_disconnected(baton: Deployment, clients: FakeWebSockets) -> None:
    baton.llm.script("x")
    run = baton.execute(baton.workflow("a"))
    baton.finish(run)
    connect("slow")
    clients.failing["slow"] = 4
    send_frame("slow", f'{{"action": "subscribe", "runId": {run}}}')
    assert clients.closed == []
    assert clients.messages("slow")[-1]["type"] == "workflow_completed"


def test_after_an_error_that_concerns_all_clients_a_batch_is_delivered_again_from_the_first_unsent_message(
    baton: Deployment, clients: FakeWebSockets
) -> None:
    connect("broken")
    clients.broken["broken"] = 1
    baton.llm.script("x")
    baton.finish(baton.execute(baton.workflow("a")))
    records = records_of_runs(baton.aws)
    failures = invoke("notify_subscribers", stream_event(records))["batchItemFailures"]
    started = [record for record in records if "started_at" in record["dynamodb"].get("NewImage", {})]
    assert failures == [{"itemIdentifier": started[0]["dynamodb"]["SequenceNumber"]}]


def test_a_batch_that_does_not_end_in_time_is_continued_from_the_first_unsent_message(
    baton: Deployment, clients: FakeWebSockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("c")
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _: 60_000)
    baton.llm.script("x")
    baton.finish(baton.execute(baton.workflow("a")))
    records = records_of_runs(baton.aws)
    failures = invoke("notify_subscribers", stream_event(records))["batchItemFailures"]
    started = next(record for record in records if "started_at" in record["dynamodb"].get("NewImage", {}))
    assert failures == [{"itemIdentifier": started["dynamodb"]["SequenceNumber"]}]
    assert clients.sent == []


def test_a_disconnect_deletes_all_items(baton: Deployment, clients: FakeWebSockets) -> None:
    connect("c")
    assert clients.sent == []
    invoke("websocket", websocket_event("DISCONNECT", "c"))
    assert baton.aws.items(baton.aws.connections_table) == []


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        ("hello", "JSON"),
        ("[" * 100_000, "JSON"),
        ('"ping"', "action"),
        ('{"action": "dance"}', "action"),
        ('{"action": "subscribe"}', "runId"),
        ('{"action": "subscribe", "runId": "1"}', "runId"),
        ('{"action": "subscribe", "runId": true}', "runId"),
        ('{"action": "subscribe", "runId": 99}', "run 99"),
        ("", "JSON"),
    ],
)
def test_an_invalid_frame_is_answered_with_an_error(
    baton: Deployment, clients: FakeWebSockets, frame: str, word: str
) -> None:
    assert baton.llm.calls == []
    connect("c")
    assert send_frame("c", frame) == {"statusCode": 200}
    (error,) = clients.messages("c")
    assert error["type"] == "error"
    assert word in error["data"]["message"]


def test_a_ping_is_answered_with_a_pong(clients: FakeWebSockets) -> None:
    send_frame("c", '{"action": "ping"}')
    assert clients.messages("c") == [{"type": "pong"}]


@pytest.mark.usefixtures("clients")
def test_a_connect_with_an_invalid_run_id_is_rejected() -> None:
    refused = invoke("websocket", websocket_event("CONNECT", "c", query={"runId": "x"}))
    assert refused["statusCode"] == 400
    assert "runId" in refused["body"]


def test_a_cancelled_run_sends_workflow_cancelled(baton: Deployment, clients: FakeWebSockets) -> None:
    connect("c")

    def cancelled_meanwhile(event: dict[str, Any]) -> dict[str, Any]:
        assert request("POST", "/api/runs/1/cancel").status == 200
        return invoke("execute_payload", event)

    baton.payload_function = cancelled_meanwhile
    baton.finish(baton.execute(baton.workflow("a")))
    notify(baton)
    assert [message["type"] for message in clients.messages("c")] == [
        "execution_progress",
        "execution_progress",
        "workflow_cancelled",
    ]


def connect(connection_id: str, query: dict[str, str] | None = None) -> None:
    assert invoke("websocket", websocket_event("CONNECT", connection_id, query=query))["statusCode"] == 200


def send_frame(connection_id: str, frame: str) -> dict[str, Any]:
    return invoke("websocket", websocket_event("MESSAGE", connection_id, body=frame))


def notify(baton: Deployment) -> list[Any]:
    """Deliver all that the stream has in one batch; what is to be delivered again."""
    return list(invoke("notify_subscribers", stream_event(records_of_runs(baton.aws)))["batchItemFailures"])
