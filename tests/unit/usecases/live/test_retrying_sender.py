"""Retrying sender: one retry after a pause, then the client is disconnected."""

from __future__ import annotations

import pytest

from baton.domain.errors import ConnectionFailing, ConnectionGone
from baton.usecases.live.retrying_sender import PATIENT, RetryingSender
from tests.fakes.clients import FakeWebSockets


@pytest.fixture
def web_sockets() -> FakeWebSockets:
    return FakeWebSockets()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def sender(web_sockets: FakeWebSockets, pauses: list[float]) -> RetryingSender:
    return RetryingSender(web_sockets=web_sockets, sleep=pauses.append)


def test_a_frame_is_sent_once(sender: RetryingSender, web_sockets: FakeWebSockets, pauses: list[float]) -> None:
    sender.send("ann", b"one")
    assert (web_sockets.sent, pauses) == ([("ann", b"one")], [])


def test_a_retry_follows_after_a_fifth_of_a_second(
    sender: RetryingSender, web_sockets: FakeWebSockets, pauses: list[float]
) -> None:
    web_sockets.failing["ann"] = 1
    sender.send("ann", b"one")
    assert (web_sockets.sent, pauses, web_sockets.closed) == ([("ann", b"one")], [0.2], [])


def test_after_the_retry_the_client_is_disconnected(
    sender: RetryingSender, web_sockets: FakeWebSockets, pauses: list[float]
) -> None:
    web_sockets.failing["ann"] = 2
    with pytest.raises(ConnectionGone, match="ann"):
        sender.send("ann", b"one")
    assert (web_sockets.sent, pauses, web_sockets.closed) == ([], [0.2], ["ann"])


def test_a_gone_client_is_neither_retried_nor_closed(
    sender: RetryingSender, web_sockets: FakeWebSockets, pauses: list[float]
) -> None:
    web_sockets.gone.add("ann")
    with pytest.raises(ConnectionGone):
        sender.send("ann", b"one")
    assert (pauses, web_sockets.closed) == ([], [])


def test_a_close_that_fails_is_raised(sender: RetryingSender, web_sockets: FakeWebSockets) -> None:
    web_sockets.failing["ann"] = 3
    with pytest.raises(ConnectionFailing):
        sender.send("ann", b"one")
    assert web_sockets.closed == []


@pytest.mark.parametrize(("failures", "closed"), [(4, []), (5, ["ann"])])
def test_a_patient_sender_retries_for_almost_four_seconds(
    web_sockets: FakeWebSockets, pauses: list[float], failures: int, closed: list[str]
) -> None:
    web_sockets.failing["ann"] = failures
    sender = RetryingSender(web_sockets=web_sockets, sleep=pauses.append, pauses=PATIENT)
    if closed:
        with pytest.raises(ConnectionGone):
            sender.send("ann", b"one")
    else:
        sender.send("ann", b"one")
    assert (pauses, web_sockets.closed) == ([0.2, 0.5, 1, 2], closed)
    assert web_sockets.sent == [("ann", b"one")] * (not closed)
