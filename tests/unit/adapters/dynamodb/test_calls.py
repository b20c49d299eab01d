"""Calls for many items: what DynamoDB leaves unprocessed is requested again, and nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from baton.adapters.dynamodb.calls import condition_failing_as, get_many, write_many
from baton.adapters.dynamodb.codecs.attributes import to_attributes
from baton.adapters.dynamodb.keys import Key
from baton.adapters.dynamodb.throttling import Deadline
from baton.domain.errors import Overloaded
from tests.support.simulated_clock import SimulatedClock

KEYS: list[Key] = [{"pk": f"p{number}", "sk": "s"} for number in range(60)]


class Table:
    """A client that processes at most 7 items of each request, and records the number of each."""

    def __init__(self) -> None:
        self.read: list[Any] = []
        self.written: list[Any] = []
        self.sizes: list[int] = []

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - the name in AWS
        request = RequestItems["t"]
        assert request["ConsistentRead"]
        done, rest = self._split(request["Keys"])
        self.read += done
        unprocessed = {"t": {**request, "Keys": rest}} if rest else {}
        return {"Responses": {"t": done}, "UnprocessedKeys": unprocessed}

    def batch_write_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - the name in AWS
        done, rest = self._split(RequestItems["t"])
        self.written += done
        return {"UnprocessedItems": {"t": rest} if rest else {}}

    def _split(self, entries: list[Any]) -> tuple[list[Any], list[Any]]:
        self.sizes.append(len(entries))
        return entries[:7], entries[7:]


@pytest.fixture
def table(clock: SimulatedClock) -> Any:  # noqa: ARG001 - pauses take no time
    return Table()


def test_unprocessed_keys_are_read_again_after_a_pause_that_doubles(table: Any, clock: SimulatedClock) -> None:
    found = get_many(table, "t", [*KEYS, KEYS[0]])
    assert sorted(item["pk"]["S"] for item in found) == sorted(key["pk"] for key in KEYS)
    assert table.sizes == [60, 53, 46, 39, 32, 25, 18, 11, 4]
    assert clock.bounds == [(0, most) for most in (0.08, 0.16, 0.32, 0.64, 1.28, 2, 2, 2)]


def test_unprocessed_writes_are_sent_again_in_batches_of_25(table: Any) -> None:
    write_many(table, "t", puts=[to_attributes(key) for key in KEYS[:30]], deletes=KEYS[30:])
    assert len(table.written) == 60
    assert [entry["PutRequest"]["Item"] for entry in table.written if "PutRequest" in entry] == [
        to_attributes(key) for key in KEYS[:30]
    ]
    assert [entry["DeleteRequest"]["Key"] for entry in table.written if "DeleteRequest" in entry] == [
        to_attributes(key) for key in KEYS[30:]
    ]
    assert [size for size in table.sizes if size > 18] == [25, 25]


def test_a_batch_is_at_most_one_megabyte_unless_it_is_one_item(table: Any) -> None:
    puts = [to_attributes({"pk": f"p{size}", "sk": "s", "text": "x" * size}) for size in (600_000, 300_000, 200_000)]
    write_many(table, "t", puts=[to_attributes({"pk": "p", "sk": "s", "text": "x" * 1_200_000}), *puts])
    assert table.sizes == [1, 2, 1]


def test_writes_end_with_the_deadline_of_the_caller(table: Any, clock: SimulatedClock) -> None:
    with pytest.raises(Overloaded):
        write_many(table, "t", deletes=KEYS, deadline=Deadline(0.01))
    assert clock.now == 0


def test_only_a_failed_condition_raises_the_error_that_it_means() -> None:
    for code, raised in (("ConditionalCheckFailedException", Overloaded), ("ValidationException", ClientError)):
        with pytest.raises(raised), condition_failing_as(Overloaded()):
            raise ClientError({"Error": {"Code": code, "Message": "-"}}, "PutItem")


def test_nothing_is_requested_for_no_items(table: Any) -> None:
    assert get_many(table, "t", []) == []
    write_many(table, "t")
    assert table.sizes == []
