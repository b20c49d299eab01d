"""Many runs share one instance's limit: its server hardly ever has to refuse one, and all come in turn."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.waiting import eventually
from tests.support.openai_server import Provider, serving

RUNS = 50
A_MINUTE = 60
MAX_REFUSED = 5
MAX_OUT_OF_TURN = RUNS / 5
"""Places by which a run may be served before or after its turn, in the mean; by chance it would be a third of all."""


@pytest.mark.timeout(360)
def test_fifty_runs_keep_to_the_limit_of_their_instance_and_come_in_turn(baton: Baton, cloud: Cloud) -> None:
    """A hundred calls, of which a server that takes sixty a minute would refuse forty if they came at once."""
    with serving() as provider:
        provider.requests_per_minute = A_MINUTE
        limited = baton.instance(
            "limited", provider="openai", base_url=provider.base_url, limits={"requests_per_minute": A_MINUTE}
        )
        prompts = [Prompt("limited first", "First of {{number}}."), Prompt("limited second", "Second of {{number}}.")]
        workflow_id = baton.workflow("limited runs", prompts, limited)
        runs = [baton.start(workflow_id, {"number": number}) for number in range(RUNS)]
        ended = eventually(
            lambda: baton.call("GET", f"/api/runs?workflow_id={workflow_id}&limit=100")["items"],
            lambda listed: all(run["status"] in ("completed", "failed") for run in listed),
            seconds=300,
        )
        refused = [call for call in provider.calls if call.status == HTTPStatus.TOO_MANY_REQUESTS]

    assert {run["status"] for run in ended} == {"completed"}
    assert len(ended) == len(runs) == RUNS
    assert len(provider.calls) - len(refused) == 2 * RUNS
    assert len(refused) <= MAX_REFUSED
    assert mean_distance(served(provider, "First"), arrived(cloud, runs)) <= MAX_OUT_OF_TURN


def arrived(cloud: Cloud, runs: list[int]) -> list[int]:
    """The numbers in the order in which their first payloads came to ask: functions start cold, so not all at once."""
    first = [item for item in cloud.items("RunsTable") if item["sk"]["S"] == "RESPONSE#0000"]
    started = {int(item["run_id"]["N"]): item["started_at"]["S"] for item in first}
    return sorted(range(RUNS), key=lambda number: started[runs[number]])


def served(provider: Provider, kind: str) -> list[int]:
    """The numbers in the order in which their prompts of this kind were answered."""
    answered = [call.prompt for call in provider.calls if call.status == HTTPStatus.OK]
    return [int(prompt.rstrip(".").split()[-1]) for prompt in answered if prompt.startswith(kind)]


def mean_distance(order: list[int], expected: list[int]) -> float:
    """How many places a number stands from where it is expected, in the mean."""
    places = {number: place for place, number in enumerate(expected)}
    return sum(abs(place - places[number]) for place, number in enumerate(order)) / len(order)
