"""Stored data survives a restart of the emulator, also while clients reconnect, and a kill costs a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from local.network import free_port
from local.problem import Problem
from local.stack import Addresses, Stack
from tests.e2e.baton import Baton, Prompt
from tests.e2e.live import complete_outline, is_the_end_of, outline
from tests.support.guard import guarded


@pytest.mark.timeout(240)
def test_runs_and_definitions_survive_a_restart_and_a_kill(tmp_path: Path) -> None:
    port = free_port()
    with guarded(port, tmp_path), Stack(port, tmp_path) as stack:
        baton = Baton(stack.addresses)
        workflow_id = baton.workflow("kept", [Prompt("kept", "Keep {{what}}.")])
        run_id = baton.start(workflow_id, {"what": "this"})
        before = baton.ended(run_id)
        baton.close()
        with reconnecting(stack.addresses):
            assert stack.down()
    assert not stack.emulator.is_running()
    assert before["status"] == "completed"

    with guarded(port, tmp_path), Stack(port, tmp_path) as stack:
        baton = Baton(stack.addresses)
        assert baton.run(run_id) == before
        with baton.listen() as listener:
            after = baton.start(workflow_id, {"what": "that"})
            listener.receive_until(is_the_end_of(after))
            assert after == run_id + 1
            assert outline(listener.of_run(after)) == complete_outline(1)
        require_that_a_full_disk_is_reported(stack, tmp_path)
        saved = baton.run(after)
        stack.emulator.save()
        lost = baton.start(workflow_id, {"what": "nothing"})
        stack.emulator.kill()

        stack.emulator.start()  # without a deployment, which the start above has shown
        assert [baton.run(run_id), baton.run(after)] == [before, saved]
        assert baton.send("GET", f"/api/runs/{lost}").status_code == 404
        new = baton.start(workflow_id, {"what": "more"})
        assert new > lost, "the lost id is not given again"
        assert baton.ended(new)["status"] == "completed"
        baton.close()


def require_that_a_full_disk_is_reported(stack: Stack, home: Path) -> None:
    """A file where a folder has to be created fails as a full disk does, for every user."""
    (home / "state.new").touch()
    with pytest.raises(Problem, match=r"can't be saved to .* File exists"):
        stack.down()
    assert stack.emulator.is_running()
    (home / "state.new").unlink()


@contextmanager
def reconnecting(addresses: Addresses) -> Iterator[None]:
    """Clients that open a WebSocket or send a request again as soon as the last one has ended."""
    ended, connected = threading.Event(), threading.Semaphore(0)

    def listen() -> None:
        with suppress(OSError, WebSocketException), connect(addresses.websocket_url, proxy=None) as connection:
            connected.release()
            for _ in connection:
                pass

    def post() -> None:
        with suppress(requests.RequestException):
            requests.post(f"{addresses.http_url}/api/blocks", data=b"{}", timeout=10, proxies={"no_proxy": "*"})

    def repeat(act: Callable[[], None]) -> None:
        while not ended.is_set():
            act()

    clients = [threading.Thread(target=repeat, args=[act], daemon=True) for act in (listen, listen, listen, post)]
    for client in clients:
        client.start()
    assert all(connected.acquire(timeout=30) for _ in range(3))
    yield
    ended.set()
    for client in clients:
        client.join(30)
