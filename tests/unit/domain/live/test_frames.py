"""Frames: everything a client sends is either a valid frame or rejected with a detail."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.domain.errors import Invalid
from baton.domain.live.frames import PONG, Frame, error_frame, parse_frame, parse_run_id

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("action", ["subscribe", "unsubscribe"])
def test_subscribe_and_unsubscribe_contain_a_run_id(action: str) -> None:
    assert parse_frame(json.dumps({"action": action, "runId": 12, "more": "x"})) == Frame(action=action, run_id=12)  # type: ignore[arg-type]


def test_a_ping_needs_no_run_id() -> None:
    assert parse_frame('{"action": "ping", "runId": "whatever"}') == Frame(action="ping")
    assert json.loads(PONG) == {"type": "pong"}


@pytest.mark.parametrize("run_id", ["1", 0, -1, 1.0, True, None, [1], {"id": 1}, 10**12, "NaN"], ids=repr)
def test_an_invalid_run_id_is_rejected_with_its_field(run_id: object) -> None:
    with pytest.raises(Invalid, match="runId: must be the id of a run"):
        parse_frame(json.dumps({"action": "subscribe", "runId": run_id}))


@pytest.mark.parametrize("text", ["", "ping", "{", '{"action": "ping"', "\x00", "[" * 100_000, "1" * 5000])
def test_invalid_json_is_rejected(text: str) -> None:
    with pytest.raises(Invalid, match="body: is not valid JSON"):
        parse_frame(text)


@pytest.mark.parametrize(
    "text", ["null", "[]", '"ping"', "1", "NaN", "{}", '{"action": null}', '{"action": ["ping"]}', '{"action": "PING"}']
)
def test_an_unknown_action_is_rejected(text: str) -> None:
    with pytest.raises(Invalid, match="action: must be subscribe, unsubscribe or ping"):
        parse_frame(text)


@given(json_values | st.dictionaries(st.sampled_from(["action", "runId"]), json_values | st.just("subscribe")))
def test_any_json_is_rejected_unless_it_is_a_frame(value: object) -> None:
    match value:
        case {"action": "subscribe", "runId": int(run_id)} if run_id is not True and 1 <= run_id < 10**12:
            assert parse_frame(json.dumps(value)) == Frame(action="subscribe", run_id=run_id)
        case _:
            with pytest.raises(Invalid):
                parse_frame(json.dumps(value))


@given(st.text())
def test_any_other_text_is_rejected(text: str) -> None:
    with pytest.raises(Invalid):
        parse_frame(text)


@pytest.mark.parametrize(("text", "run_id"), [("1", 1), ("999999999999", 999_999_999_999)])
def test_a_run_id_in_the_query_is_parsed(text: str, run_id: int) -> None:
    assert parse_run_id(text) == run_id


@pytest.mark.parametrize("text", ["", "0", "-1", "+1", "1.0", " 1", "1_000", "one", "٣", "²", "9" * 5000, "1" * 13])
def test_an_invalid_run_id_in_the_query_is_rejected(text: str) -> None:
    with pytest.raises(Invalid, match="runId: must be the id of a run"):
        parse_run_id(text)


@given(st.text(st.characters()))
def test_an_error_frame_can_contain_any_detail(detail: str) -> None:
    frame = json.loads(error_frame("id-1", "now", detail))
    assert (frame["type"], frame["id"], frame["timestamp"]) == ("error", "id-1", "now")
    assert frame["data"]["message"] == detail.encode(errors="replace").decode()
