"""Many runs share one instance's limit: its server rejects few calls, and the runs are served in order of arrival."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from tests.e2e.baton import Baton, Prompt
from tests.e2e.cloud import Cloud
from tests.e2e.waiting import eventually
from tests.support.openai_server import Provider, serving

RUNS = 50
PER_MINUTE = 60
MAX_REJECTED = 5
MAX_MEAN_DISTANCE = RUNS / 5
"""Mean distance between the order of service and the order of arrival; in random order it would be a third of RUNS."""


@pytest.mark.timeout(360)
def test_fifty_runs_respect_the_limit_of_their_instance_and_are_served_in_order(baton: Baton, cloud: Cloud) -> None:
    """A hundred calls; if all were sent at the same time, a server with sixty per minute would reject forty."""
    with serving() as provider:
        provider.requests_per_minute = PER_MINUTE
        limited = baton.instance(
            "limited", provider="openai", base_url=provider.base_url, limits={"requests_per_minute": PER_MINUTE}
        )
        prompts = [Prompt("limited first", "First of {{number}}."), Prompt("limited second", "Second of {{number}}.")]
        workflow_id = baton.workflow("limited runs", prompts, limited)
        runs = [baton.start(workflow_id, {"number": number}) for number in range(RUNS)]
        ended = eventually(
            lambda: baton.call("GET", f"/api/runs?workflow_id={workflow_id}&limit=100")["items"],
            lambda listed: all(run["status"] in ("completed", "failed") for run in listed),
            seconds=300,
        )
        rejected = [call for call in provider.calls if call.status == HTTPStatus.TOO_MANY_REQUESTS]

    assert {run["status"] for run in ended} == {"completed"}
    assert len(ended) == len(runs) == RUNS
    assert len(provider.calls) - len(rejected) == 2 * RUNS
    assert len(rejected) <= MAX_REJECTED
    assert mean_distance(served(provider, "First"), arrived(cloud, runs)) <= MAX_MEAN_DISTANCE


def arrived(cloud: Cloud, runs: list[int]) -> list[int]:
    """The numbers in the order in which their first payloads started: functions start cold, so not at the same time."""
    first = [item for item in cloud.items("RunsTable") if item["sk"]["S"] == "RESPONSE#0000"]
    started = {int(item["run_id"]["N"]): item["started_at"]["S"] for item in first}
    return sorted(range(RUNS), key=lambda number: started[runs[number]])


def served(provider: Provider, kind: str) -> list[int]:
    """The numbers in the order in which their prompts of this kind were answered."""
    answered = [call.prompt for call in provider.calls if call.status == HTTPStatus.OK]
    return [int(prompt.rstrip(".").split()[-1]) for prompt in answered if prompt.startswith(kind)]


def mean_distance(order: list[int], expected: list[int]) -> float:
    """The mean distance of a number from its expected place."""
    places = {number: place for place, number in enumerate(expected)}
    return sum(abs(place - places[number]) for place, number in enumerate(order)) / len(order)
