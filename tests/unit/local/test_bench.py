"""The figures of make bench that a reader could not check: percentiles, units, prices, the floor and the LLM stub."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from local.bench import __main__ as command
from local.bench import cost, floor, lag, llm_stub, overhead, prices, units
from local.bench.floor_function import app as floor_function
from local.bench.runs import Received
from local.problem import Problem
from tests.support.deployment import state_machine_definition

# ---- The command ---------------------------------------------------------------------------------------------------


def test_without_names_everything_is_measured_and_the_help_lists_it() -> None:
    assert command.chosen_names([]) == list(command.MEASUREMENTS)
    for name in command.MEASUREMENTS:
        assert f"\n  {name} " in command.DESCRIPTION


def test_only_the_named_measurements_are_made() -> None:
    assert command.chosen_names(["lag", "imports"]) == ["imports", "lag"]


def test_an_unknown_name_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(Problem, match=r"no measurement 'overheads': choose among imports, memory, overhead, .*cost"):
        command.chosen_names(["lag", "overheads"])


def test_a_measurement_that_fails_does_not_stop_the_others_and_has_the_load_beside_its_tables() -> None:
    def failing() -> Iterator[Table]:
        yield Table("measured")
        raise Problem("Port 1 is in use.")

    console = Console(file=io.StringIO(), width=100)
    assert not command.print_measurement(console, failing())
    assert command.print_measurement(console, iter(()))
    printed = console.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "measured" in printed
    assert "before" in printed.partition("Load: ")[2]
    assert "Port 1 is in use." in printed


# ---- Speed ---------------------------------------------------------------------------------------------------------


def test_the_overhead_is_what_remains_of_a_run_without_the_llm() -> None:
    run = {"started_at": "2026-11-25T12:00:00.500Z", "completed_at": "2026-11-25T12:00:01.150Z"}
    assert overhead.overhead_ms(overhead.seconds_of(run), 5) == pytest.approx(30)


def test_percentiles_are_between_the_least_and_the_largest_value() -> None:
    values = [float(value) for value in range(101)]
    assert [lag.percentile(values, percent) for percent in (50, 95)] == [50, 95]
    assert lag.percentile([7, 7], 95) == 7


def test_the_lag_of_an_answer_is_measured_from_the_time_that_it_contains() -> None:
    message = {"type": "payload_completed", "data": {"content": llm_stub.answer(1_000.5)}}
    other = {"type": "execution_progress", "data": {}}
    assert lag.lags_ms([Received(other, 1_000.6), Received(message, 1_000.75)]) == [pytest.approx(250)]


# ---- The LLM stub --------------------------------------------------------------------------------------------------


class Connection:
    """A client's socket, with two requests; records how they are answered."""

    def __init__(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(content)}\r\n\r\n"
        self.requests = 2 * (head.encode() + content)
        self.options: list[tuple[int, int, object]] = []
        self.writes: list[bytes] = []

    def makefile(self, mode: str, bufsize: int) -> io.BufferedIOBase:
        """As a socket's, whose buffer has 8 KB by default (-1)."""
        return io.BytesIO(self.requests) if mode == "rb" else io.BufferedWriter(Writes(self.writes), max(bufsize, 8192))

    def sendall(self, data: bytes) -> None:
        self.writes.append(data)

    def setsockopt(self, *option: Any) -> None:
        self.options.append(option)


class Writes(io.RawIOBase):
    def __init__(self, writes: list[bytes]) -> None:
        self._writes = writes

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._writes.append(bytes(data))
        return len(data)


@pytest.mark.parametrize("is_streamed", [True, False])
def test_the_stub_writes_each_response_of_a_connection_at_once(
    monkeypatch: pytest.MonkeyPatch, *, is_streamed: bool
) -> None:
    monkeypatch.setattr(llm_stub, "SECONDS", 0)
    connection: Any = Connection({"messages": [], "stream": is_streamed})
    llm_stub.Handler(connection, ("", 0), None)  # type: ignore[arg-type] # it does not use its server
    assert len(connection.writes) == 2
    for written in connection.writes:
        head, _, body = written.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert f"Content-Length: {len(body)}".encode() in head
        assert body.endswith(b"data: [DONE]\n\n") == is_streamed
        assert b"Written at " in body
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, True) in connection.options


# ---- The floor -----------------------------------------------------------------------------------------------------


def test_the_floor_is_the_deployed_state_machine_with_another_function_and_table() -> None:
    deployed = state_machine_definition()
    definition = json.loads(floor.floor_definition(deployed, "arn:aws:lambda:::function:floor:1"))
    expected = json.loads(deployed)
    assert definition["States"]["ExecutePayload"]["Resource"] == "arn:aws:lambda:::function:floor:1"
    expected["States"]["ExecutePayload"]["Resource"] = "arn:aws:lambda:::function:floor:1"
    tables = [state for state in expected["States"].values() if "TableName" in state.get("Parameters", {})]
    assert tables
    for state in tables:
        state["Parameters"]["TableName"] = floor.NAME
    assert definition == expected


def test_a_state_machine_with_a_second_function_has_no_floor() -> None:
    definition = json.loads(state_machine_definition())
    definition["States"]["Second"] = definition["States"]["ExecutePayload"]
    with pytest.raises(Problem, match="must call one function"):
        floor.floor_definition(json.dumps(definition), "arn")


def test_the_function_of_the_floor_ends_after_the_payloads_of_its_state() -> None:
    state: dict[str, Any] = {"run_id": 1, "position": 0, "payloads": 3}
    outcomes: list[str] = []
    while state.get("outcome") != "completed":
        state = floor_function.handler(state, None)
        outcomes.append(state["outcome"])
    assert outcomes == ["continue", "continue", "completed"]
    choices = json.loads(state_machine_definition())["States"]["NextStep?"]["Choices"]
    assert set(outcomes) <= {choice["StringEquals"] for choice in choices if choice["Variable"] == "$.outcome"}


# ---- Units, prices -------------------------------------------------------------------------------------------------


def test_the_size_of_an_item_is_that_of_its_names_and_values() -> None:
    assert units.item_bytes({"pk": {"S": "é"}}) == 2 + 2
    assert units.item_bytes({"n": {"N": "123"}}) == 1 + 3
    assert units.item_bytes({"b": {"BOOL": True}, "s": {"SS": ["a", "bc"]}}) == 2 + 4
    assert units.item_bytes({"m": {"M": {"k": {"S": "v"}}}, "l": {"L": [{"S": "v"}]}}) == 1 + 6 + 1 + 5


@pytest.mark.parametrize(
    ("size", "is_consistent", "expected"), [(0, True, 1), (4096, True, 1), (4097, True, 2), (4097, False, 1)]
)
def test_a_read_costs_a_unit_for_4_kb_and_half_if_it_need_not_be_consistent(
    size: int, expected: float, *, is_consistent: bool
) -> None:
    assert units.read_units(size, is_consistent=is_consistent) == expected


def test_a_write_costs_a_unit_for_1_kb_of_the_larger_item_and_twice_in_a_transaction() -> None:
    small, exact, large = ({"a": {"S": "x" * size}} for size in (1, 1023, 1024))
    assert [units.write_units(None, item) for item in (small, exact, large)] == [1, 1, 2]
    assert units.write_units(large, small) == 2
    assert units.write_units(large, None, is_transactional=True) == 4


def test_an_index_is_written_when_what_it_stores_changes() -> None:
    def index(old: Any, new: Any) -> int:
        return units.index_write_units(("key", "sk", "pk"), ("key", "sk"), old, new)

    item = {name: {"S": "x"} for name in ("pk", "sk", "key", "other")}
    assert index(None, item) == 1
    assert index(item, None) == 1
    assert index(item, item | {"other": {"S": "y"}}) == 0
    assert index(item, item | {"key": {"S": "y"}}) == 2
    assert index(item, item | {"pk": {"S": "y"}}) == 1
    assert index(None, {"pk": {"S": "x"}, "sk": {"S": "x"}}) == 0


def test_the_price_is_that_of_everything_used() -> None:
    assert prices.price({"state transitions": 1_000, "write units": 1_000_000}) == pytest.approx(0.65)
    with pytest.raises(KeyError):
        prices.price({"gold": 1})


def test_what_is_charged_is_counted_by_the_names_of_the_prices() -> None:
    payload = {"requests": 2, "milliseconds": 3_000, "megabytes": 512, "peak kilobytes": 1}
    counts = {
        "calls": {"dynamodb PutItem": 9, "apigateway request": 4, "apigateway PostToConnection": 5},
        "units": {"read units": 1.5, "write units": 7},
        "functions": {"baton-A-1": payload, "baton-B-2": payload | {"megabytes": 1024}},
    }
    charged = cost.charged(counts)
    assert set(charged) | {"state transitions"} == set(prices.PRICES)
    assert charged["lambda requests"] == 4
    assert charged["lambda GB-seconds"] == pytest.approx(4.5)
    assert (charged["http requests"], charged["websocket posts"]) == (4, 5)


def test_the_use_of_1000_runs_is_the_difference_of_the_counts() -> None:
    assert cost.difference({"a": 7, "b": 2, "c": 1}, {"a": 5, "b": 2}, 100) == {"a": 200, "c": 100}


def test_a_slower_llm_costs_the_time_of_the_payload_function() -> None:
    slower = cost.with_slower_llm({"lambda GB-seconds": 10, "read units": 1}, 5, 0.5)
    assert slower == {"lambda GB-seconds": pytest.approx(10 + 19.9 * 0.5 * 5 * 1_000), "read units": 1}
