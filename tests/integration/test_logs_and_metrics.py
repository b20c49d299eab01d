"""What the functions log and measure, as CloudWatch receives it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from baton.adapters.llm import registry
from baton.adapters.llm.provider import Provider
from baton.domain.errors import LlmRefused, LlmThrottled
from baton.domain.live.messages import messages_of_change
from baton.runtime import wiring
from tests.fakes.clients import FakeWebSockets
from tests.support.aws import STATE_MACHINE_ARN
from tests.support.deployment import Deployment
from tests.support.environments import in_function
from tests.support.events import http_event, stream_event, websocket_event
from tests.support.functions import invoke, request
from tests.support.metrics import EMITTED, FUNCTIONS
from tests.support.output import Output, captured
from tests.support.records import an_answer
from tests.support.streams import records_of_runs
from tests.support.template import ROOT

CLIENT_ID = "orders-2026.01.31_7"
EXECUTION = "default-1-1"

SECRETS = {
    "api key": "sk-secret-key-0123456789",
    "prompt": "the text of a block",
    "answer": "the answer of the model",
    "variable": "the value of a variable",
    "header": "Bearer the-value-of-a-header",
    "system": "the system text",
    "path": "a-path-that-does-not-exist",
    "query": "a-query",
}


@pytest.fixture
def clients(baton: Deployment, monkeypatch: pytest.MonkeyPatch) -> FakeWebSockets:  # noqa: ARG001 - its account comes first
    fake = FakeWebSockets()
    monkeypatch.setattr(wiring, "web_sockets", lambda: fake)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return fake


@pytest.fixture
def output(clients: FakeWebSockets, capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:  # noqa: ARG001
    with captured(capsys) as made:
        yield made


def execute(baton: Deployment, *prompts: str, headers: dict[str, str] | None = None) -> int:
    """Start a run; its id."""
    answer = request("POST", f"/api/execute/workflow/{baton.workflow(*prompts)}", headers=headers)
    assert answer.status == 202, answer.body
    return int(answer.body["runId"])


def notify(baton: Deployment) -> dict[str, Any]:
    return invoke("notify_subscribers", stream_event(records_of_runs(baton.aws)))


# ---- Keys ---------------------------------------------------------------------------------------------------------


def run_a_payload(baton: Deployment) -> None:
    baton.llm.script("one")
    baton.finish(execute(baton, "a", headers={"x-correlation-id": CLIENT_ID}))


def read_the_run(_: Deployment) -> None:
    assert request("GET", "/api/runs/1", headers={"x-correlation-id": CLIENT_ID}).status == 404


def read_blocks(_: Deployment) -> None:
    assert request("GET", "/api/blocks", headers={"x-correlation-id": CLIENT_ID}).status == 200


def connect_to_the_run(_: Deployment) -> None:
    invoke("websocket", websocket_event("CONNECT", "c", query={"runId": "1"}))


def subscribe_to_the_run(_: Deployment) -> None:
    invoke("websocket", websocket_event("MESSAGE", "c", body='{"action": "subscribe", "runId": 1}'))


def notify_of_the_run(baton: Deployment) -> None:
    run_a_payload(baton)
    notify(baton)


REQUEST = {"request_id": "request-1", "tenant": "default", "correlation_id": CLIENT_ID, "api_request_id": "1"}
RUN = {"run_id": 1, "attempt": 1, "execution": EXECUTION}
OF_A_SOCKET = {"request_id": "request-1", "tenant": "default", "run_id": 1, "correlation_id": "ws-1"}

LINES: dict[str, tuple[Callable[[Deployment], None], str, dict[str, Any]]] = {
    "runs_api starts a run": (
        run_a_payload,
        "request answered",
        REQUEST | RUN | {"method": "POST", "route": "/api/execute/workflow/{workflow_id}", "status": 202},
    ),
    "runs_api reads a run": (
        read_the_run,
        "request answered",
        REQUEST | {"run_id": 1, "method": "GET", "route": "/api/runs/{run_id}", "status": 404},
    ),
    "catalog_api": (
        read_blocks,
        "request answered",
        REQUEST | {"method": "GET", "route": "/api/blocks", "status": 200},
    ),
    "execute_payload": (
        run_a_payload,
        "payload executed",
        RUN
        | {"request_id": "request-1", "tenant": "default", "correlation_id": CLIENT_ID, "position": 0}
        | {"outcome": "completed", "tries": 0, "wait_seconds": 0},
    ),
    "notify_subscribers": (
        notify_of_the_run,
        "subscribers notified",
        RUN
        | {"request_id": "request-1", "tenant": "default", "correlation_id": CLIENT_ID}
        | {"correlation_ids": [CLIENT_ID], "messages": 0, "clients": 0, "gone": 0, "dropped": 0},
    ),
    "websocket connects": (
        connect_to_the_run,
        "websocket event",
        OF_A_SOCKET | {"connection_id": "c", "event_type": "CONNECT", "action": "$connect"},
    ),
    "websocket receives": (
        subscribe_to_the_run,
        "websocket event",
        OF_A_SOCKET | {"connection_id": "c", "event_type": "MESSAGE", "action": "$default"},
    ),
}
"""An invocation, and the keys and fields of its line beside those that every logger writes."""

VARYING = {"duration_ms", "records"}


@pytest.mark.parametrize("case", LINES)
def test_each_function_logs_a_line_with_its_keys(baton: Deployment, output: Output, case: str) -> None:
    act, message, expected = LINES[case]
    act(baton)
    line = output.line(message, **expected)
    written_by_every_logger = {"level", "location", "message", "timestamp", "service"}
    assert set(line) - written_by_every_logger - VARYING == set(expected)
    assert line["level"] == "INFO"
    assert {type(line[name]) for name in VARYING & set(line)} <= {int}


@pytest.mark.parametrize(
    ("folder", "event", "keys"),
    [
        ("execute_payload", {"tenant": "default", "run_id": 5, "attempt": 2, "position": 3, "tries": 0}, {"run_id": 5}),
        ("websocket", websocket_event("DISCONNECT", "c"), {"connection_id": "c"}),
        ("notify_subscribers", {"Records": [{"eventName": "INSERT"}]}, {}),
    ],
)
def test_the_line_of_an_unexpected_error_has_the_keys_too(
    output: Output, monkeypatch: pytest.MonkeyPatch, folder: str, event: dict[str, Any], keys: dict[str, Any]
) -> None:
    def fail(*_: Any, **_more: Any) -> None:
        raise OSError("no table")

    monkeypatch.setattr("baton.usecases.runs.execute_payload.ExecutePayload.__call__", fail)
    monkeypatch.setattr("baton.usecases.live.follow_runs.FollowRuns.disconnect", fail)
    with pytest.raises(Exception, match="log has the details"):
        invoke(folder, event)
    line = output.line("function failed")
    assert line.items() >= {"request_id": "request-1", **keys}.items()
    if folder == "execute_payload":
        assert (line["position"], line["attempt"], line["execution"]) == (3, 2, "default-5-2")


def test_no_line_has_keys_of_the_invocation_before(output: Output) -> None:
    request("GET", "/api/runs/7", headers={"x-correlation-id": CLIENT_ID})
    output.clear()
    invoke("runs_api", http_event("GET", "/api/runs"), request_id="request-2")
    line = output.line("request answered")
    assert (line["request_id"], line["correlation_id"]) == ("request-2", "1")
    assert "run_id" not in line


# ---- Correlation id -----------------------------------------------------------------------------------------------


def test_one_correlation_id_from_the_http_call_to_the_last_message(baton: Deployment, output: Output) -> None:
    baton.llm.script("one", "two")
    started = request(
        "POST", f"/api/execute/workflow/{baton.workflow('a', 'b')}", headers={"x-correlation-id": CLIENT_ID}
    )
    assert started.headers["X-Correlation-Id"] == CLIENT_ID
    run = baton.finish(1)
    assert run["metadata"]["correlation_id"] == CLIENT_ID
    arn = f"{STATE_MACHINE_ARN.replace(':stateMachine:', ':execution:')}:{EXECUTION}"
    execution = baton.aws.stepfunctions.describe_execution(executionArn=arn)
    assert json.loads(execution["input"])["correlation_id"] == CLIENT_ID
    payloads = [line for line in output.lines() if line["message"] == "payload executed"]
    assert [(line["position"], line["correlation_id"]) for line in payloads] == [(0, CLIENT_ID), (1, CLIENT_ID)]
    for record in records_of_runs(baton.aws)[-3:]:  # also each by itself: responses and the run have it
        output.clear()
        invoke("notify_subscribers", stream_event([record]))
        assert output.line("subscribers notified")["correlation_id"] == CLIENT_ID


def test_a_resumed_run_has_the_correlation_id_of_the_call_that_resumed_it(baton: Deployment, output: Output) -> None:
    baton.llm.script(LlmRefused("401: wrong key."), "one")
    baton.finish(execute(baton, "a", headers={"x-correlation-id": "first"}))
    resumed = request("POST", "/api/runs/1/resume", headers={"x-correlation-id": "second"})
    assert (resumed.status, resumed.body["metadata"]["correlation_id"]) == (202, "second")
    baton.finish(1, attempt=2)
    assert output.line("payload executed", attempt=1)["correlation_id"] == "first"
    assert output.line("payload executed", attempt=2)["correlation_id"] == "second"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, 'a"b', "<script>", "-", "a\n", "ä", SECRETS["header"]])
def test_an_id_that_is_not_accepted_is_replaced_by_the_one_of_api_gateway(output: Output, sent: str) -> None:
    answer = request("GET", "/api/runs", headers={"x-correlation-id": sent})
    assert (answer.status, answer.headers["X-Correlation-Id"]) == (200, "1")
    assert output.line("request answered")["correlation_id"] == "1"


@pytest.mark.parametrize("sent", ["a", "x" * 64, "0af7651916cd43dd8448eb211c80319c", "a.b_c-d"])
def test_an_accepted_id_is_returned_also_with_an_error(output: Output, sent: str) -> None:
    answer = request("GET", "/api/runs/99", headers={"x-correlation-id": sent})
    assert (answer.status, answer.headers["X-Correlation-Id"]) == (404, sent)
    assert output.line("request answered")["correlation_id"] == sent


def test_a_batch_of_several_runs_has_their_common_keys_and_their_ids(baton: Deployment, output: Output) -> None:
    baton.llm.script("one", "two")
    workflow = baton.workflow("a")
    for sent in ("first", "second"):
        request("POST", f"/api/execute/workflow/{workflow}", headers={"x-correlation-id": sent})
    baton.finish(1)
    baton.finish(2)
    notify(baton)
    line = output.line("subscribers notified")
    assert line["correlation_ids"] == ["first", "second"]
    assert (line["tenant"], line["attempt"]) == ("default", 1)
    assert {"run_id", "execution", "correlation_id", "position"} & set(line) == set()


# ---- Metrics ------------------------------------------------------------------------------------------------------

PROVIDER = {"service": "execute_payload", "provider": "scripted"}


def test_an_answered_payload_is_counted(baton: Deployment, output: Output) -> None:
    baton.llm.script(an_answer("one", prompt_tokens=30, completion_tokens=7))
    baton.finish(execute(baton, "a"))
    answered = output.metric("LlmCalls")
    assert (answered.namespace, answered.unit, answered.values) == ("Baton/baton-test", "Count", [1.0])
    assert answered.dimensions == {**PROVIDER, "outcome": "answered", "cause": "none"}
    counts = {name: output.metric(name) for name in ("InputTokens", "OutputTokens")}
    assert {name: (each.unit, each.values, each.dimensions) for name, each in counts.items()} == {
        "InputTokens": ("Count", [30.0], PROVIDER),
        "OutputTokens": ("Count", [7.0], PROVIDER),
    }
    durations = {name: output.metric(name) for name in ("LlmDuration", "PayloadDuration")}
    assert {name: (each.unit, each.dimensions) for name, each in durations.items()} == {
        "LlmDuration": ("Milliseconds", PROVIDER),
        "PayloadDuration": ("Milliseconds", {"service": "execute_payload"}),
    }
    assert all(0 <= value < 60_000 for each in durations.values() for value in each.values)
    assert "Cost" not in {each.name for each in output.metrics()}


def test_the_cost_is_that_of_the_price_when_the_run_was_started(baton: Deployment, output: Output) -> None:
    workflow = baton.workflow("a")
    instance = request("GET", "/api/llm/instances/1").body
    assert request("PUT", "/api/llm/instances/1", instance | {"price": {"prompt": 2.5, "completion": 10}}).status == 200
    baton.llm.script(an_answer("one", prompt_tokens=1_000, completion_tokens=200))
    baton.finish(baton.execute(workflow))
    cost = output.metric("Cost")
    assert (cost.unit, cost.values, cost.dimensions) == ("None", [0.0045], PROVIDER)


def test_a_failed_call_and_the_wait_after_it_are_counted_by_their_cause(baton: Deployment, output: Output) -> None:
    baton.llm.script(LlmThrottled("429: slow down.", 7), "one")
    baton.finish(execute(baton, "a"))
    assert output.metric("LlmCalls", outcome="failed").dimensions == PROVIDER | {
        "outcome": "failed",
        "cause": "throttled",
    }
    by_cause = {"service": "execute_payload", "cause": "throttled"}
    for name, unit, value in (("Waits", "Count", 1.0), ("WaitSeconds", "Seconds", 7.0)):
        wait = output.metric(name)
        assert (wait.unit, wait.values, wait.dimensions) == (unit, [value], by_cause)
    assert output.metric("LlmCalls", outcome="answered").values == [1.0]


def test_metrics_are_written_when_the_function_fails(
    baton: Deployment, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call was made and is paid for, although its answer could not be stored."""

    def fail(*_: Any) -> None:
        raise OSError("no table")

    monkeypatch.setattr("baton.adapters.dynamodb.steps.DynamoStepStore.store_response", fail)
    baton.llm.script("one")
    baton.finish(execute(baton, "a"))
    assert output.metric("LlmCalls").values == [1.0]
    assert "PayloadDuration" not in {each.name for each in output.metrics()}
    assert output.line("function failed")["run_id"] == 1


def test_a_payload_that_is_delivered_twice_is_counted_once(baton: Deployment, output: Output) -> None:
    def delivered_twice(event: dict[str, Any]) -> dict[str, Any]:
        return [invoke("execute_payload", event) for _ in range(2)][-1]

    baton.payload_function = delivered_twice
    baton.llm.script("one")
    assert baton.finish(execute(baton, "a"))["status"] == "completed"
    assert output.metric("LlmCalls").values == [1.0]
    assert output.metric("PayloadDuration").values


def test_the_end_of_a_run_and_its_messages_are_measured(baton: Deployment, output: Output) -> None:
    for client in ("ann", "bob"):
        invoke("websocket", websocket_event("CONNECT", client))
    baton.llm.script("one")
    baton.finish(execute(baton, "a"))
    notify(baton)
    ended = output.metric("RunsEnded")
    assert (ended.unit, ended.values) == ("Count", [1.0])
    assert ended.dimensions == {"service": "notify_subscribers", "status": "completed"}
    lag = output.metric("MessageLag")
    assert (lag.unit, lag.dimensions) == ("Milliseconds", {"service": "notify_subscribers"})
    changes = in_function("notify_subscribers", lambda: wiring.changes({"Records": records_of_runs(baton.aws)}))
    assert len(lag.values) == len([change for change in changes if messages_of_change(change)]) > 1
    assert all(0 <= value < 60_000 for value in lag.values)
    line = output.line("subscribers notified")
    assert (line["messages"], line["clients"], line["max_lag_ms"]) == (8, 2, max(lag.values))


def test_gone_and_dropped_connections_are_counted_and_a_dropped_one_is_logged_with_its_run(
    baton: Deployment, output: Output, clients: FakeWebSockets
) -> None:
    for client in ("gone", "stuck", "there"):
        invoke("websocket", websocket_event("CONNECT", client))
    clients.gone.add("gone")
    clients.failing["stuck"] = 2
    baton.llm.script("one")
    baton.finish(execute(baton, "a", headers={"x-correlation-id": CLIENT_ID}))
    notify(baton)
    for name in ("ConnectionsGone", "ConnectionsDropped"):
        counted = output.metric(name)
        assert (counted.unit, counted.values, counted.dimensions) == ("Count", [1.0], {"service": "notify_subscribers"})
    line = output.line("client disconnected", connection_id="stuck")
    assert line.items() >= (RUN | {"correlation_id": CLIENT_ID, "level": "WARNING"}).items()


def test_a_client_that_leaves_while_its_history_is_sent_is_counted(
    baton: Deployment, output: Output, clients: FakeWebSockets
) -> None:
    baton.llm.script("one")
    baton.finish(execute(baton, "a"))
    clients.gone.add("gone")
    clients.failing["stuck"] = 5
    for client in ("gone", "stuck"):
        invoke("websocket", websocket_event("MESSAGE", client, body='{"action": "subscribe", "runId": 1}'))
    for name in ("ConnectionsGone", "ConnectionsDropped"):
        assert output.metric(name).dimensions == {"service": "websocket"}
        assert output.metric(name).values == [1.0]


def test_the_first_invocation_of_each_process_is_a_cold_start(baton: Deployment, output: Output) -> None:
    baton.llm.script("one", "two")
    workflow = baton.workflow("a")
    for _ in range(2):
        baton.finish(baton.execute(workflow))
        notify(baton)
        invoke("websocket", websocket_event("DISCONNECT", "c"))
    starts = [each for each in output.metrics() if each.name == "ColdStart"]
    assert sorted(each.dimensions["service"] for each in starts) == sorted(FUNCTIONS)
    assert {(each.unit, *each.values, len(each.dimensions)) for each in starts} == {("Count", 1.0, 1)}
    output.clear()
    baton.aws.restart_functions()
    request("GET", "/api/runs")
    assert output.metric("ColdStart").dimensions == {"service": "runs_api"}


# ---- All output ---------------------------------------------------------------------------------------------------

DIMENSIONS = {name: set(metric.dimensions) for name, metric in EMITTED.items()}


def test_the_table_of_metrics_has_each_metric_with_its_dimensions() -> None:
    page = (ROOT / "docs" / "operations.md").read_text().partition("## Metrics")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    documented = {name: row[2] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert set(documented) == set(DIMENSIONS)
    for name, cell in documented.items():
        assert {each for each in re.findall(r"`(\w+)`", cell) if each in ALL_DIMENSIONS} == DIMENSIONS[name]


ALL_DIMENSIONS = {name for names in DIMENSIONS.values() for name in names}


def everything(baton: Deployment, clients: FakeWebSockets) -> None:
    """A workflow with secrets in each place, and each function, with each metric."""
    for client in ("ann", "gone", "stuck"):
        invoke("websocket", websocket_event("CONNECT", client))
    clients.gone.add("gone")
    clients.failing["stuck"] = 2
    instance = {
        "name": SECRETS["system"],
        "provider": "openai",
        "model": "m",
        "api_key": SECRETS["api key"],
        "price": {"prompt": 1, "completion": 1},
        "defaults": {"system": SECRETS["system"]},
    }
    instance_id = baton.create("/api/llm/instances", instance)
    block = baton.create("/api/blocks", {"title": SECRETS["prompt"], "content": f"{SECRETS['prompt']} {{{{topic}}}}"})
    payload = {"name": SECRETS["prompt"], "blocks": [block], "llm_instance": instance_id}
    payload_id = baton.create("/api/payloads", payload)
    workflow = baton.create("/api/workflows", {"name": SECRETS["prompt"], "payloads": [payload_id, payload_id]})
    baton.llm.script(
        LlmThrottled(f"429: {SECRETS['prompt']}", 2), SECRETS["answer"], LlmRefused(f"401: {SECRETS['api key']}")
    )
    sent = {"variables": {"topic": SECRETS["variable"]}}
    headers = {"authorization": SECRETS["header"], "x-correlation-id": SECRETS["header"]}
    assert request("POST", f"/api/execute/workflow/{workflow}", sent, headers=headers).status == 202
    baton.finish(1)
    notify(baton)
    request("GET", f"/{SECRETS['path']}", query={SECRETS["query"]: SECRETS["query"]})
    request("POST", "/api/blocks", {"title": SECRETS["prompt"], SECRETS["prompt"]: SECRETS["prompt"]})
    invoke("websocket", websocket_event("MESSAGE", "ann", body=json.dumps({"action": SECRETS["prompt"]})))


@pytest.fixture
def all_output(baton: Deployment, clients: FakeWebSockets, output: Output, monkeypatch: pytest.MonkeyPatch) -> Output:
    monkeypatch.setitem(registry.PROVIDERS, "openai", Provider(complete=baton.llm))
    everything(baton, clients)
    return output


def test_every_metric_has_its_dimensions_and_none_is_an_id(all_output: Output) -> None:
    """A dimension with the id of a run, tenant, workflow or connection would be a metric for each of them."""
    metrics = all_output.metrics()
    assert {each.name for each in metrics} == set(DIMENSIONS)
    for each in metrics:
        assert set(each.dimensions) == {"service", *DIMENSIONS[each.name]}
        assert each.unit == EMITTED[each.name].unit
        assert each.dimensions["service"] in EMITTED[each.name].services
        assert all(re.fullmatch("[a-z_]+", value) for value in each.dimensions.values())
        assert "default" not in each.dimensions.values()


def test_no_output_contains_a_secret(all_output: Output) -> None:
    text = all_output.text()
    assert text.count("request answered") >= 7
    assert {name: secret for name, secret in SECRETS.items() if secret in text} == {}
