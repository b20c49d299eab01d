"""Stored data survives a restart of the emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.network import free_port
from local.stack import Stack
from tests.e2e.baton import Baton, Prompt
from tests.e2e.live import complete_outline, is_the_end_of, outline
from tests.support.guard import guarded


@pytest.mark.timeout(240)
def test_runs_and_definitions_survive_a_restart(tmp_path: Path) -> None:
    port = free_port()
    with guarded(port, tmp_path), Stack(port, tmp_path) as stack:
        baton = Baton(stack.addresses)
        workflow_id = baton.workflow("kept", [Prompt("kept", "Keep {{what}}.")])
        run_id = baton.start(workflow_id, {"what": "this"})
        before = baton.ended(run_id)
        baton.close()
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
        baton.close()
