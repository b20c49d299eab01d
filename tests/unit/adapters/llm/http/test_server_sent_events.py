"""Events are read from bytes with any chunk boundaries and any line endings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baton.adapters.llm.http.server_sent_events import Event, events


def read(text: str | bytes) -> list[Event]:
    return list(events([text.encode() if isinstance(text, str) else text]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data: a\n\n", [Event("a")]),
        ("data:a\n\ndata:  b\n\n", [Event("a"), Event(" b")]),
        ("data: a\r\n\r\ndata: b\r\r", [Event("a"), Event("b")]),
        ("data: a\ndata\ndata: b\n\n", [Event("a\n\nb")]),
        ("event: ping\ndata: {}\n\ndata: {}\n\n", [Event("{}", "ping"), Event("{}")]),
        (": a comment\n\n:\ndata: a: b\n: another\n\n", [Event("a: b")]),
        ("id: 7\nretry: 10\ndata: a\nunknown: b\n\n", [Event("a")]),
        ("\ufeffdata: a\n\n", [Event("a")]),
        ("data: \ufeffa\n\n", [Event("\ufeffa")]),
        ("data: a\u2028b\x0bc\n\n", [Event("a\u2028b\x0bc")]),
        ("Data: a\n data: b\n\n", [Event("a\nb")]),
        ("data\n\ndata: \n\nevent: ping\n\n\n", []),
        ('error: {"code":400}\n\ndata: a\n\n', [Event('{"code":400}', "error"), Event("a")]),
        ("", []),
    ],
)
def test_fields_comments_line_ends_and_byte_order_marks_follow_the_standard(text: str, found: list[Event]) -> None:
    assert read(text) == found


@pytest.mark.parametrize("cut", ["data: b", "data: b\n", "data: b\r", "event: ping"])
def test_a_truncated_event_is_ignored(cut: str) -> None:
    assert read("data: a\n\n" + cut) == [Event("a")]


def test_invalid_utf8_bytes_are_replaced() -> None:
    assert read(b"data: a\xff\xe2\x82\n\n") == [Event("a\ufffd\ufffd")]


def test_an_event_is_yielded_as_soon_as_it_is_complete() -> None:
    def arriving() -> Iterator[bytes]:
        yield b"data: a\n\n"
        raise AssertionError("more was read before the first event was returned")

    assert next(events(arriving())) == Event("a")


lines = st.lists(st.sampled_from(["data: ä", "data:", "data: 🏃", "event: ping", ": comment", "", ""]), max_size=8)


@given(lines=lines, ends=st.sampled_from(["\n", "\r", "\r\n"]), cuts=st.lists(st.integers(0, 120), max_size=6))
def test_chunk_boundaries_make_no_difference(lines: list[str], ends: str, cuts: list[int]) -> None:
    whole = "".join(line + ends for line in lines).encode()
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    chunks = [whole[start:end] for start, end in pairwise(places)]
    assert list(events(chunks)) == read(whole) == read("".join(line + "\n" for line in lines))


@given(raw=st.binary())
def test_any_bytes_can_be_read(raw: bytes) -> None:
    read(raw)


@pytest.mark.parametrize("chunk", [b"x", b"data: x", b"\n", b"data: x\n", b"data: x\n\n"])
def test_ten_times_as_many_chunks_take_about_ten_times_as_long(chunk: bytes) -> None:
    """In processor time of this thread, which other processes do not change; 100 times as long would be quadratic."""

    def processor_seconds(count: int) -> float:
        began = time.thread_time()
        for _ in events(chunk for _ in range(count)):
            pass
        return time.thread_time() - began

    assert processor_seconds(100_000) < 40 * max(processor_seconds(10_000) for _ in range(3))
