"""Clients that follow a run while connections are lost: our own, and the examples of the documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local import follow
from local.network import free_port
from local.problem import Problem
from tests.support.documents import Document
from tests.support.dropping_server import MESSAGES, RUN_ID, DroppingServer, dropping_server
from tests.support.template import ROOT

SUBSCRIBE = {"action": "subscribe", "runId": RUN_ID}
PING = {"action": "ping"}

type Follower = Callable[[str, int], Iterator[dict[str, Any]]]


@pytest.fixture
def server() -> Iterator[DroppingServer]:
    with dropping_server() as made:
        yield made


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The upper bounds of the pauses between connections, which are not waited for."""
    bounds: list[float] = []

    def uniform(low: float, bound: float) -> float:
        assert low == 0
        bounds.append(bound)
        return bound

    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("random.uniform", uniform)
    return bounds


@pytest.fixture(params=["local", "docs"])
def follower(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Follower, Callable[[], None]]:
    """A follower, and a function that makes its pings frequent."""
    if request.param == "local":
        assert follow.SECONDS_BETWEEN_PINGS == 300
        return follow.messages, lambda: monkeypatch.setattr(follow, "SECONDS_BETWEEN_PINGS", 0.05)
    (code,) = Document(ROOT / "docs/live-messages.md").blocks("python")
    example: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "docs/live-messages.md", "exec"), example)  # noqa: S102 - our own document
    assert example["SECONDS_BETWEEN_PINGS"] == 300
    return example["follow"], lambda: example.update(SECONDS_BETWEEN_PINGS=0.05)


def test_each_message_is_received_once_over_several_connections(
    follower: tuple[Follower, Callable[[], None]], server: DroppingServer, pauses: list[float]
) -> None:
    server.drops += [2, 0, 4]
    assert list(follower[0](server.url, RUN_ID)) == MESSAGES
    assert server.received == [[SUBSCRIBE]] * 4
    assert pauses == [2, 4, 2], "longer after each failure, and short again after a message"


def test_a_ping_is_sent_while_there_are_no_messages(
    follower: tuple[Follower, Callable[[], None]], server: DroppingServer
) -> None:
    follower[1]()
    server.pings_before_end = 3
    assert list(follower[0](server.url, RUN_ID)) == MESSAGES
    ((first, *pings),) = server.received
    assert first == SUBSCRIBE
    assert pings[:3] == [PING] * 3


def test_pauses_grow_to_half_a_minute_and_our_own_client_then_ends(pauses: list[float]) -> None:
    with pytest.raises(Problem, match="closed before the run had ended"):
        list(follow.messages(f"ws://127.0.0.1:{free_port()}", RUN_ID))
    assert pauses == [2, 4, 8, 16, 30, 30]


def test_our_own_client_ends_if_there_are_only_pongs(server: DroppingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "SECONDS_BETWEEN_PINGS", 0.05)
    server.pings_before_end = 4
    with pytest.raises(Problem, match="no message of the run"):
        list(follow.messages(server.url, RUN_ID))
    assert json.dumps(server.received[0]).count("ping") == 3
