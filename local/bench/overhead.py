"""The overhead of Baton for each payload, beside the floor of the same stack."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.table import Table

from local.bench import llm_stub
from local.bench.floor import Floor, deployed_floor
from local.bench.runs import Subscriber, start, subscriber
from local.bench.session import Session
from local.bench.target import Target

RUNS = {5: 7, 20: 5, 100: 3}
"""How many runs of so many payloads are measured."""


@dataclass
class Overheads:
    """In ms a payload, of each run."""

    started_to_completed: list[float] = field(default_factory=list)
    post_to_last_message: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)


def tables(session: Session) -> Iterator[Table]:
    target = session.target
    with subscriber(target) as client:
        session.report("Overhead: the first runs, which are not measured")
        warm_up(target, client)
        with deployed_floor(target) as floor:
            floor.run(min(RUNS))
            measured = {}
            for payloads, runs in RUNS.items():
                session.report(f"Overhead: {runs} runs of {payloads} payloads, and as many of the floor")
                measured[payloads] = measure(target, client, floor, payloads)
    yield overhead_table(measured)


def warm_up(target: Target, client: Subscriber) -> None:
    api, workflow_id = target.api, target.new_workflow(min(RUNS))
    for _ in range(3):
        start(api, workflow_id)
        client.follow()


def measure(target: Target, client: Subscriber, floor: Floor, payloads: int) -> Overheads:
    """Runs of Baton and of the floor alternate, so that other load affects both."""
    api, workflow_id = target.api, target.new_workflow(payloads)
    overheads = Overheads()
    for _ in range(RUNS[payloads]):
        posted = time.time()
        run_id = start(api, workflow_id)
        last = client.follow()[-1].at
        run = api.call("GET", f"/api/execute/run/{run_id}")
        overheads.started_to_completed.append(overhead_ms(seconds_of(run), payloads))
        overheads.post_to_last_message.append(overhead_ms(last - posted, payloads))
        overheads.floor.append(seconds_of(floor.run(payloads)) * 1000 / payloads)
    return overheads


def seconds_of(run: dict[str, Any]) -> float:
    """From started to completed."""
    started, completed = (datetime.fromisoformat(run[name]) for name in ("started_at", "completed_at"))
    return (completed - started).total_seconds()


def overhead_ms(seconds: float, payloads: int) -> float:
    """Of each payload, without the time of the LLM."""
    return (seconds / payloads - llm_stub.SECONDS) * 1000


def overhead_table(measured: dict[int, Overheads]) -> Table:
    result = Table(
        "payloads",
        "started → completed",
        "floor",
        "above the floor",
        "times the floor",
        "POST → last message",
        title=f"Overhead in ms a payload: median of {'/'.join(map(str, RUNS.values()))} warm runs with one subscriber, "
        f"with an LLM of {llm_stub.SECONDS * 1000:.0f} ms",
    )
    for payloads, overheads in measured.items():
        floor, own, message = (
            statistics.median(each)
            for each in (overheads.floor, overheads.started_to_completed, overheads.post_to_last_message)
        )
        figures = (own, floor, own - floor, own / floor, message)
        result.add_row(str(payloads), *(f"{figure:.1f}" for figure in figures))
    return result
