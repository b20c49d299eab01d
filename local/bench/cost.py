"""What 1,000 runs use of AWS, and its list price; counted on a stack of its own, where the deployed code runs."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from rich.table import Table

from local.bench import llm_stub
from local.bench.prices import PRICES, price
from local.bench.runs import Subscriber, start, subscriber
from local.bench.session import Session
from local.bench.target import Target
from local.problem import Problem

RUNS = {1: 10, 5: 5, 20: 3, 100: 1}
"""How many runs of so many payloads are counted."""

PER = 1_000
LLM_SECONDS = 20
EMULATOR_PROGRAM = "bench/counting_emulator.py"
USAGE_PATH = "/bench-usage"
PAYLOAD_FUNCTION = "ExecutePayloadFunction"
SECONDS_OF_QUIET = 1


@dataclass(frozen=True)
class Usage:
    """``calls`` of each operation, and what is ``charged`` by the names of ``PRICES``."""

    calls: Mapping[str, float]
    charged: Mapping[str, float]


def tables(session: Session) -> Iterator[Table]:
    with session.own_target(EMULATOR_PROGRAM) as target, subscriber(target) as client:
        used = {}
        for payloads, runs in RUNS.items():
            session.report(f"Cost: {runs} runs of {payloads} payloads, after a first one")
            used[payloads] = measure(target, client, payloads, runs)
        functions = by_logical_id(counted(target)["functions"])
    yield calls_table(used)
    yield price_table(used, functions[PAYLOAD_FUNCTION]["megabytes"] / 1024)
    yield memory_table(functions)


def measure(target: Target, client: Subscriber, payloads: int, runs: int) -> Usage:
    """Of ``PER`` runs."""
    api, workflow_id = target.api, target.new_workflow(payloads)
    start(api, workflow_id)
    client.follow()
    before, messages = when_quiet(target), 0
    for _ in range(runs):
        start(api, workflow_id)
        messages += len(client.follow())
    after = when_quiet(target)
    if charged(after)["websocket posts"] - charged(before)["websocket posts"] < messages:
        raise Problem("The emulator has counted fewer posts than there were messages: what do its requests look like?")
    transitions = {"state transitions": state_transitions(target, runs)}
    return Usage(
        calls=difference(Counter(after["calls"]), Counter(before["calls"]), PER / runs),
        charged=difference(Counter(charged(after)) + Counter(transitions), Counter(charged(before)), PER / runs),
    )


def counted(target: Target) -> dict[str, Any]:
    """What the emulator has counted so far."""
    with requests.Session() as http:
        http.trust_env = False  # no proxy
        counts: dict[str, Any] = http.get(target.stack.emulator.url + USAGE_PATH, timeout=30).json()
    return counts


def when_quiet(target: Target) -> dict[str, Any]:
    """As ``counted``, when nothing more is counted."""
    counts = counted(target)
    while True:
        time.sleep(SECONDS_OF_QUIET)
        earlier, counts = counts, counted(target)
        if earlier == counts:
            return counts


def charged(counts: Mapping[str, Any]) -> dict[str, float]:
    """By the names of ``PRICES``, without state transitions."""
    functions = counts["functions"].values()
    return {
        "lambda requests": sum(each["requests"] for each in functions),
        "lambda GB-seconds": sum(each["milliseconds"] * each["megabytes"] for each in functions) / 1000 / 1024,
        "write units": counts["units"].get("write units", 0),
        "read units": counts["units"].get("read units", 0),
        "http requests": counts["calls"].get("apigateway request", 0),
        "websocket posts": counts["calls"].get("apigateway PostToConnection", 0),
    }


def difference(after: Mapping[str, float], before: Mapping[str, float], factor: float) -> dict[str, float]:
    """What was counted in between, times the factor."""
    return {name: (after[name] - before.get(name, 0)) * factor for name in after if after[name] != before.get(name, 0)}


def state_transitions(target: Target, runs: int) -> int:
    """The states that the last executions have entered."""
    states, state_machine = target.aws("stepfunctions"), target.resource("StateMachine")
    executions = states.list_executions(stateMachineArn=state_machine, maxResults=runs)["executions"]
    histories = states.get_paginator("get_execution_history")
    return sum(
        event["type"].endswith("StateEntered")
        for execution in executions
        for page in histories.paginate(executionArn=execution["executionArn"])
        for event in page["events"]
    )


def by_logical_id(functions: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """The functions by their names in the template; the emulator has the names of the deployed ones."""
    named = {re.search(r"-(\w+)-", name): counts for name, counts in functions.items()}
    return {found[1]: counts for found, counts in named.items() if found}


def with_slower_llm(usage: Mapping[str, float], payloads: int, gigabytes: float) -> dict[str, float]:
    """The same runs with an LLM that answers after ``LLM_SECONDS``."""
    more = (LLM_SECONDS - llm_stub.SECONDS) * gigabytes * payloads * PER
    return {**usage, "lambda GB-seconds": usage["lambda GB-seconds"] + more}


def calls_table(used: Mapping[int, Usage]) -> Table:
    result = Table(title=f"Calls of {PER:,} runs, by payloads a run")
    result.add_column("operation", no_wrap=True)
    for payloads in used:
        result.add_column(str(payloads), justify="right")
    for operation in sorted({name for usage in used.values() for name in usage.calls}):
        result.add_row(operation, *(f"{usage.calls.get(operation, 0):,.0f}" for usage in used.values()))
    return result


def price_table(used: Mapping[int, Usage], gigabytes: float) -> Table:
    """Without logs, traces, storage, transfer and connection minutes."""
    result = Table(title=f"Use and list price of {PER:,} runs with one subscriber, by payloads a run")
    result.add_column("charged", no_wrap=True)
    for payloads in used:
        result.add_column(str(payloads), justify="right")
    for name in PRICES:
        result.add_row(name, *(f"{usage.charged.get(name, 0):,.0f}" for usage in used.values()))
    result.add_section()
    prices = {payloads: price(usage.charged) for payloads, usage in used.items()}
    slower = {n: price(with_slower_llm(usage.charged, n, gigabytes)) for n, usage in used.items()}
    result.add_row(f"USD, LLM of {llm_stub.SECONDS} s", *(f"{each:.2f}" for each in prices.values()))
    result.add_row(f"USD, LLM of {LLM_SECONDS} s", *(f"{each:.2f}" for each in slower.values()))
    return result


def memory_table(functions: Mapping[str, Mapping[str, int]]) -> Table:
    result = Table("function", "MB, peak", "MB in the template", title="Peak memory of the functions in these runs")
    for name, counts in sorted(functions.items()):
        peak = counts["peak kilobytes"]
        result.add_row(name, f"{peak / 1000:.0f}" if peak else "unknown on this system", str(counts["megabytes"]))
    return result
