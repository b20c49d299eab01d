"""Items of runs, responses and parts, with a correlation id and of versions without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from baton.adapters.dynamodb.codecs.partial_answer import partial_answer_from_item, partial_answer_to_item
from baton.adapters.dynamodb.codecs.response import response_from_item, response_to_item
from baton.adapters.dynamodb.codecs.run import run_from_item, run_to_item
from tests.support.records import a_part, a_response, a_run

type Codec = tuple[Any, Callable[[Any], Mapping[str, Any]], Callable[[Mapping[str, Any]], Any]]

CODECS: list[Codec] = [
    (a_run(), run_to_item, run_from_item),
    (a_response(), response_to_item, response_from_item),
    (a_part(), partial_answer_to_item, partial_answer_from_item),
]


@pytest.mark.parametrize(("record", "to_item", "from_item"), CODECS)
def test_a_correlation_id_is_read_back_and_may_be_missing(
    record: Any, to_item: Callable[[Any], Mapping[str, Any]], from_item: Callable[[Mapping[str, Any]], Any]
) -> None:
    item = dict(to_item(record))
    assert from_item(item).correlation_id == "call-1"
    assert item.pop("correlation_id") == {"S": "call-1"}
    assert from_item(item) == replace(record, correlation_id=None)
    assert to_item(replace(record, correlation_id=None)) == item
