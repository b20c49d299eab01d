"""Handle a frame: each is answered over its connection, and an invalid one with an error."""

from __future__ import annotations

import pytest

from baton.domain.times import timestamp
from baton.usecases.live.handle_frame import HandleFrame
from tests.support.records import NOON, OTHER_TENANT, TENANT
from tests.support.stores import subscribers
from tests.support.use_cases import FakeBaton


@pytest.fixture
def handle_frame(fake_baton: FakeBaton) -> HandleFrame:
    return HandleFrame(follow_runs=fake_baton.follow_runs, sender=fake_baton.sender, clock=lambda: NOON)


def test_a_ping_is_answered_with_a_pong(fake_baton: FakeBaton, handle_frame: HandleFrame) -> None:
    handle_frame(TENANT, "ann", '{"action": "ping"}', "request-1")
    assert fake_baton.web_sockets.sent == [("ann", b'{"type":"pong"}')]


def test_a_subscribe_sends_the_run_and_an_unsubscribe_ends_it(fake_baton: FakeBaton, handle_frame: HandleFrame) -> None:
    fake_baton.started("one")
    handle_frame(TENANT, "ann", '{"action": "subscribe", "runId": 1}', "request-1")
    assert subscribers(fake_baton.connections, TENANT, 1) == {"ann"}
    assert fake_baton.web_sockets.message_ids("ann") == [
        "1-1-execution_progress",
        "1-1-execution_progress-0",
    ]
    handle_frame(TENANT, "ann", '{"action": "unsubscribe", "runId": 1}', "request-2")
    assert subscribers(fake_baton.connections, TENANT, 1) == frozenset()


@pytest.mark.parametrize(
    ("tenant", "text", "detail"),
    [
        (TENANT, "hello", "body: is not valid JSON."),
        (TENANT, '{"action": "dance"}', "action: must be subscribe, unsubscribe or ping."),
        (
            TENANT,
            '{"action": "subscribe", "runId": 0}',
            "runId: must be the id of a run, a whole number of at least 1.",
        ),
        (TENANT, '{"action": "subscribe", "runId": 2}', "There is no run 2."),
        (OTHER_TENANT, '{"action": "subscribe", "runId": 1}', "There is no run 1."),
    ],
)
def test_an_invalid_frame_is_answered_with_an_error(
    fake_baton: FakeBaton, handle_frame: HandleFrame, tenant: str, text: str, detail: str
) -> None:
    fake_baton.started("one")
    handle_frame(tenant, "ann", text, "request-1")
    assert fake_baton.web_sockets.messages("ann") == [
        {"type": "error", "id": "request-1", "timestamp": timestamp(NOON), "data": {"message": detail}}
    ]


@pytest.mark.parametrize("text", ['{"action": "ping"}', '{"action": "subscribe", "runId": 1}', "not JSON"])
def test_a_client_that_has_disconnected_is_removed(fake_baton: FakeBaton, handle_frame: HandleFrame, text: str) -> None:
    fake_baton.started("one")
    fake_baton.follow_runs.connect(TENANT, "ann", 1, NOON)
    fake_baton.web_sockets.gone.add("ann")
    handle_frame(TENANT, "ann", text, "request-1")
    assert subscribers(fake_baton.connections, TENANT, 1) == frozenset()
