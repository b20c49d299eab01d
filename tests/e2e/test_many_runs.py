"""Many runs at the same time, and one client that receives the messages of all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest

from tests.e2e.baton import Baton, Prompt
from tests.e2e.live import complete_outline, is_a, outline
from tests.support.openai_server import ANSWER, serving

RUNS = 20
PAYLOADS = 5
CLIENTS = 4  # each costs the emulator the cold start of one more function


@pytest.mark.timeout(180)
def test_twenty_concurrent_runs_complete_and_their_messages_arrive_in_order(baton: Baton) -> None:
    with serving() as provider, baton.listen() as listener, ThreadPoolExecutor(CLIENTS) as pool:
        provider.crowd = RUNS  # no run passes its first payload before all have reached it
        gated = baton.instance("gated", provider="openai", base_url=provider.base_url)
        first = Prompt("step 0", "Begin with {{number}}.", llm_instance=gated)
        workflow_id = baton.workflow("one of many", [first, *(following(place) for place in range(1, PAYLOADS))])
        runs = list(pool.map(lambda number: baton.start(workflow_id, {"number": number}), range(RUNS)))
        open_runs = set(runs)
        while open_runs:
            ended = listener.receive_until(is_a("workflow_completed", "workflow_failed", "workflow_cancelled"))
            open_runs.discard(ended["data"]["runId"])
        outlines = {run_id: outline(listener.of_run(run_id)) for run_id in runs}
    ended_runs = [baton.run(run_id) for run_id in runs]
    responses = [response for run in ended_runs for response in run["responses"]]

    assert {run["status"] for run in ended_runs} == {"completed"}
    assert len(set(runs)) == RUNS
    assert len({response["id"] for response in responses}) == RUNS * PAYLOADS
    assert outlines == dict.fromkeys(runs, complete_outline(PAYLOADS))
    answered = [call.prompt for call in provider.calls if call.status == HTTPStatus.OK]
    assert sorted(answered) == sorted(f"Begin with {number}." for number in range(RUNS))
    assert {run["responses"][0]["content"] for run in ended_runs} == {ANSWER}


def following(position: int) -> Prompt:
    return Prompt(f"step {position}", f"Go on from {{{{step {position - 1}}}}}")
