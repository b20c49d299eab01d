"""Many runs that are started at once."""

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.table import Table

from local.bench import llm_stub
from local.bench.runs import Subscriber, start, subscriber
from local.bench.session import Session
from local.example import Api

AT_ONCE = (1, 20, 50)
PAYLOADS = (1, 5)
WARM_UPS = 2
ROUNDS = 3
ON_A_FRESH_STACK = 20

LLM = f"with an LLM of {llm_stub.SECONDS * 1000:.0f} ms"


def warm_tables(session: Session) -> Iterator[Table]:
    target = session.target
    apis = [target.api for _ in range(max(AT_ONCE))]
    with subscriber(target) as client:
        for payloads in PAYLOADS:
            workflow_id = target.new_workflow(payloads)
            seconds = {}
            for runs in AT_ONCE:
                session.report(f"Bursts: {runs} runs of {payloads} payloads at once, {ROUNDS} times after {WARM_UPS}")
                measured = [burst(client, apis[:runs], workflow_id) for _ in range(WARM_UPS + ROUNDS)]
                seconds[runs] = statistics.median(measured[WARM_UPS:])
            yield warm_table(payloads, seconds)


def fresh_tables(session: Session) -> Iterator[Table]:
    with session.own_target() as target, subscriber(target) as client:
        workflow_id = target.new_workflow(1)
        session.report(f"Fresh stack: {ON_A_FRESH_STACK} runs of 1 payload at once")
        seconds = burst(client, [target.api for _ in range(ON_A_FRESH_STACK)], workflow_id)
    result = Table("runs at once", "s to the last message", title=f"Runs of 1 payload on a fresh stack, {LLM}")
    result.add_row(str(ON_A_FRESH_STACK), f"{seconds:.1f}")
    yield result


def burst(client: Subscriber, apis: Sequence[Api], workflow_id: int) -> float:
    """The seconds from the first POST to the last message, with one run for each connection."""
    threads = ThreadPoolExecutor(len(apis))
    try:
        began = time.time()
        started = [threads.submit(start, api, workflow_id) for api in apis]
        last = client.follow(len(apis))[-1]
        for each in started:
            each.result()
    finally:
        threads.shutdown(wait=False)  # after Ctrl-C, the requests end with the stack
    return last.at - began


def warm_table(payloads: int, seconds: dict[int, float]) -> Table:
    result = Table(
        "runs at once",
        "runs a second",
        "s to the last message",
        title=f"Runs of {payloads} payload{'s' * (payloads > 1)} at once, {LLM}: median of {ROUNDS}, warm",
    )
    for runs, each in seconds.items():
        result.add_row(str(runs), f"{runs / each:.1f}", f"{each:.2f}")
    return result
