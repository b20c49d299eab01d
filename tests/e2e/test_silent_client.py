"""One WebSocket client that never reads, beside ten that do, while 50 runs are executed."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from local.silent_client import read_to_the_end, silent_client
from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.live import Listener, complete_outline, is_a, outline
from tests.e2e.waiting import eventually

RUNS = 50
READERS = 10
AT_ONCE = 4  # each costs the emulator the cold start of several functions
LONG_ANSWER = "A baton is passed. " * 4_500


@pytest.mark.timeout(300)
def test_a_client_that_never_reads_is_disconnected_and_all_others_receive_every_message_once(
    baton: Baton, cloud: Cloud
) -> None:
    workflow_id = baton.workflow(
        "beside a silent client", [Prompt("long beside a silent client", options={"answer": LONG_ANSWER})]
    )
    before = connection_ids(cloud)
    with ExitStack() as connections, ThreadPoolExecutor(READERS + AT_ONCE) as pool:
        silent = connections.enter_context(silent_client(baton.websocket_url))
        (silent_id,) = eventually(lambda: connection_ids(cloud) - before, lambda found: found)
        readers = [connections.enter_context(baton.listen()) for _ in range(READERS)]
        all_read = [pool.submit(read_until_all_have_ended, reader) for reader in readers]
        runs = list(pool.map(lambda _: baton.ended(baton.start(workflow_id))["id"], range(RUNS)))
        for read in all_read:
            read.result()
        eventually(lambda: connection_ids(cloud), lambda found: silent_id not in found)
        assert read_to_the_end(silent) > 0

    for reader in readers:
        received = Counter(message["id"] for message in reader.received)
        assert set(received.values()) == {1}
        assert received == Counter(message["id"] for message in readers[0].received)
        assert {run: outline(reader.of_run(run)) for run in runs} == dict.fromkeys(runs, complete_outline(1))


def read_until_all_have_ended(reader: Listener) -> None:
    for _ in range(RUNS):
        reader.receive_until(is_a("workflow_completed"))


def connection_ids(cloud: Cloud) -> set[str]:
    """Of the clients that follow all runs."""
    return {item["sk"]["S"] for item in cloud.items("ConnectionsTable") if item["pk"]["S"].endswith("#*")}
