"""A counter continues after all ids that it may have given, even if their counts were never saved."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local import reserved_ids
from local.reserved_ids import BLOCK, ReservedIds


def counter(kind: str = "RUN", **counts: int) -> dict[str, Any]:
    values = {name: {"N": str(value)} for name, value in counts.items()}
    return {"pk": {"S": "local#COUNTER"}, "sk": {"S": kind}, **values}


def count(item: dict[str, Any], name: str) -> int:
    return int(item[name]["N"])


@settings(max_examples=40)  # each writes to the disk
@given(steps=st.lists(st.integers(1, 3 * BLOCK), min_size=1), saved_after=st.integers(0, 20))
def test_no_id_is_given_twice_wherever_the_last_save_was(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], saved_after: int
) -> None:
    file = tmp_path_factory.mktemp("ids") / "ids.json"
    ids, given_last, saved = ReservedIds(file), 0, 0
    for place, step in enumerate(steps):
        if place == saved_after:
            saved = given_last
        given_last += step
        ids.record("table", counter(responses=given_last))
    after = ReservedIds(file).raised("table", counter(responses=saved))
    assert given_last <= count(after, "responses") <= given_last + BLOCK


def test_a_counter_that_was_never_saved_continues_as_well(tmp_path: Path) -> None:
    file = tmp_path / "ids.json"
    ReservedIds(file).record("table", counter("PAYLOAD", last=7))
    ids = ReservedIds(file)
    assert ids.keys("table") == [("local#COUNTER", "PAYLOAD")]
    assert ids.keys("other") == []
    assert count(ids.raised("table", counter("PAYLOAD")), "last") == 7 + BLOCK


def test_after_a_save_at_the_end_ids_continue_without_a_gap(tmp_path: Path) -> None:
    file = tmp_path / "ids.json"
    ids = ReservedIds(file)
    ids.record("table", counter(runs=7))
    ids.release()
    assert ReservedIds(file).raised("table", counter(runs=7)) == counter(runs=7)


def test_a_block_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write to the disk takes longer than the call that gives the id."""
    written: list[Path] = []
    monkeypatch.setattr(reserved_ids, "flush", written.append)
    ids = ReservedIds(tmp_path / "ids.json")
    ids.record("table", counter(runs=1))
    first = len(written)
    for runs in range(2, BLOCK + 2):
        ids.record("table", counter(runs=runs))
    assert len(written) == first
    ids.record("table", counter(runs=BLOCK + 2))
    assert len(written) == 2 * first


def test_other_items_have_no_block(tmp_path: Path) -> None:
    file = tmp_path / "ids.json"
    ids = ReservedIds(file)
    ids.record("table", counter(runs=1) | {"pk": {"S": "local#RUN"}})
    ids.record("table", None)
    assert not file.exists()


def test_no_id_is_given_whose_block_could_not_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    ids = ReservedIds(tmp_path / "ids.json")
    with monkeypatch.context() as full:
        full.setattr(reserved_ids, "flush", is_full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                ids.record("table", counter(runs=1))
    ids.record("table", counter(runs=2))
    assert json.loads((tmp_path / "ids.json").read_text())
