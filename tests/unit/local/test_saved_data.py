"""What a crash at any step of a save leaves, and which data the next start has."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local import saved_data
from local.saved_data import Save, SavedData
from tests.support.template import ROOT

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEPS = ("flush", "mark", "Path.rename", "shutil.rmtree", "link_files")


def save(data: SavedData, text: str, *, is_last: bool = False) -> None:
    data.begin()
    (data.next / "lambda.json").write_text(text)
    data.complete(Save(NOON, is_last))


def add_object(data: SavedData, name: str, text: str) -> Path:
    data.objects.mkdir(exist_ok=True)
    path = data.objects / name
    path.write_text(text)
    return path


CRASH = """
import os, pathlib, shutil, sys
from datetime import UTC, datetime
from local import saved_data

home, step, times = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
data = saved_data.SavedData(home)
owner, name = {"Path.rename": (pathlib.Path, "rename"), "shutil.rmtree": (shutil, "rmtree")}.get(
    step, (saved_data, step))
act, calls = getattr(owner, name), []

def crash(*arguments, **named):
    calls.append(1)
    if len(calls) == times:
        os._exit(9)
    return act(*arguments, **named)

setattr(owner, name, crash)
data.begin()
(data.next / "lambda.json").write_text("new")
data.complete(saved_data.Save(datetime(2026, 1, 1, 13, tzinfo=UTC), False))
"""


@pytest.mark.parametrize("step", STEPS)
def test_after_a_crash_at_any_step_the_data_is_that_of_one_save(tmp_path: Path, step: str) -> None:
    """Before each call of each step: the state and the objects are both old, or both new."""
    for times in range(1, 20):
        home = tmp_path / str(times)
        data = SavedData(home)
        home.mkdir()
        add_object(data, "old.txt", "object")
        save(data, "old")
        (data.objects / "old.txt").unlink()
        add_object(data, "new.txt", "object")
        ended = subprocess.run([sys.executable, "-c", CRASH, home, step, str(times)], cwd=ROOT, check=False)
        data.prepare()
        state = (data.folder / "lambda.json").read_text()
        assert [path.name for path in data.objects.iterdir()] == [f"{state}.txt"]
        assert {path.name for path in home.iterdir()} == {"state", "s3"}
        last = data.last()
        assert last is not None
        assert last.at.hour == {"old": 12, "new": 13}[state]
        if ended.returncode == 0:
            assert times > 1, "the step must have been reached"
            assert state == "new"
            return
        assert ended.returncode == 9
    pytest.fail("more steps than expected")


def test_the_first_save_is_used_only_when_complete(tmp_path: Path) -> None:
    data = SavedData(tmp_path)
    add_object(data, "object.txt", "from a start that was not saved")
    data.begin()
    (data.next / "lambda.json").write_text("incomplete")
    data.prepare()
    assert not data.exists()
    assert not data.objects.exists()


def test_objects_are_those_of_the_save(tmp_path: Path) -> None:
    """Definitions of the saved state may refer to an object that was deleted since."""
    data = SavedData(tmp_path)
    deleted = add_object(data, "deleted.txt", "text")
    save(data, "state")
    deleted.unlink()
    add_object(data, "created.txt", "text")
    data.prepare()
    assert [path.name for path in data.objects.iterdir()] == ["deleted.txt"]


def test_objects_created_or_deleted_during_a_save_are_in_it(tmp_path: Path) -> None:
    data = SavedData(tmp_path)
    deleted = add_object(data, "deleted.txt", "text")
    data.begin()
    deleted.unlink()
    add_object(data, "created.txt", "text")
    add_object(data, "half.txt.tmp", "te")
    (data.next / "lambda.json").write_text("state")
    data.complete(Save(NOON, is_last=False))
    assert sorted(path.name for path in (data.folder / "s3").iterdir()) == ["created.txt", "deleted.txt"]


def test_objects_are_copied_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    data = SavedData(tmp_path)
    add_object(data, "object.txt", "text")
    save(data, "state")
    assert (data.folder / "s3" / "object.txt").read_text() == "text"


def test_a_save_counts_as_the_last_only_until_the_next_start(tmp_path: Path) -> None:
    data = SavedData(tmp_path)
    save(data, "state", is_last=True)
    assert data.last() == Save(NOON, is_last=True)
    data.prepare()
    assert data.last() == Save(NOON, is_last=False)


def test_data_of_an_earlier_version_is_used_as_it_is(tmp_path: Path) -> None:
    """It was saved at the end only, without a time, and its objects are those of the emulator."""
    data = SavedData(tmp_path)
    data.folder.mkdir()
    (data.folder / "lambda.json").write_text("state")
    add_object(data, "object.txt", "text")
    data.prepare()
    assert data.exists()
    assert data.last() is None
    assert (data.objects / "object.txt").exists()


def test_files_are_on_the_disk_before_the_save_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not leave a complete save with empty files."""
    data = SavedData(tmp_path)
    add_object(data, "object.txt", "text")
    flushed: list[str] = []
    flush = saved_data.flush

    def record(path: Path) -> None:
        flushed.append(path.name)
        flush(path)

    monkeypatch.setattr(saved_data, "flush", record)
    save(data, "state")
    assert {"object.txt", "lambda.json", "s3"} <= set(flushed[: flushed.index("saved.new")])
    flushed.clear()
    save(data, "state")
    assert "object.txt" not in flushed, "an earlier save has written it to the disk"
