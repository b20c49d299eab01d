"""How long an answer takes from the LLM to a subscriber."""

import statistics
from collections.abc import Iterator, Sequence

from rich.table import Table

from local.bench.llm_stub import written_at
from local.bench.runs import Received, start, subscriber
from local.bench.session import Session

PAYLOADS = 20
RUNS = 5


def tables(session: Session) -> Iterator[Table]:
    target = session.target
    api = target.api
    workflow_id = target.new_workflow(PAYLOADS)
    with subscriber(target) as client:
        session.report(f"Lag: {RUNS} runs of {PAYLOADS} payloads, one at a time, after a first run")
        start(api, workflow_id)
        client.follow()
        lags: list[float] = []
        for _ in range(RUNS):
            start(api, workflow_id)
            lags += lags_ms(client.follow())
    yield lag_table(lags)


def lags_ms(received: Sequence[Received]) -> list[float]:
    """Of each answer: from the time at which the LLM wrote it, which it contains, to the arrival of its message."""
    return [
        (each.at - written_at(each.message["data"]["content"])) * 1000
        for each in received
        if each.message["type"] == "payload_completed"
    ]


def percentile(values: Sequence[float], percent: int) -> float:
    """The least value that so many percent of the values don't exceed, or a mean with its neighbour."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def lag_table(lags: Sequence[float]) -> Table:
    title = f"From the end of an LLM's answer to its message at a subscriber, {len(lags)} answers"
    result = Table("50 % within, ms", "95 % within, ms", "longest, ms", title=title)
    result.add_row(*(f"{each:.0f}" for each in (percentile(lags, 50), percentile(lags, 95), max(lags))))
    return result
