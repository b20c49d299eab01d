"""The end of a local stack: "stopped" is reported only when the data is saved.

The emulator is replaced by a program that ends in the ways that it should not.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import emulator
from local.network import free_port
from local.problem import Problem
from local.stack import Stack, alone_in
from tests.support.guard import guarded
from tests.support.template import ROOT

PROGRAM = f"""
import json, os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from local.saved_data import Save, SavedData, now

way = Path("way").read_text()
data = SavedData(Path.cwd())

def save(is_last):
    data.begin()
    (data.next / "lambda.json").write_text("state")
    data.complete(Save(now(), is_last))

def end(*_):
    if way == "saves":
        save(True)
    if way != "hangs":
        os._exit(0)

class Handler(BaseHTTPRequestHandler):
    def answer(self, status):
        body = json.dumps({{"message": "No space left on device"}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        if Path("full").exists():
            self.answer(507)
        else:
            save(False)
            self.answer(200)

signal.signal(signal.SIGTERM, end)
HTTPServer(("127.0.0.1", int(os.environ["GATEWAY_PORT"])), Handler).serve_forever()
"""

type Start = Callable[[str], Stack]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an emulator that ends in the given way."""
    port, home = free_port(), tmp_path / "home"
    home.mkdir()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    stack = Stack(port, home, emulator_program=str(program))

    def started(way: str) -> Stack:
        (home / "way").write_text(way)
        stack.emulator.start()
        return stack

    with guarded(port, home):
        yield started


def test_a_stack_that_has_saved_is_stopped(start: Start) -> None:
    stack = start("saves")
    assert stack.down()
    assert not stack.emulator.is_running()
    assert not stack.emulator.ended_unsaved()
    assert not stack.down(), "nothing is running any more"


def test_a_stack_is_stopped_without_its_port(start: Start, tmp_path: Path) -> None:
    """As by ``make down`` after ``make up PORT=4700``."""
    stack = start("saves")
    assert Stack(free_port(), tmp_path / "home").down()
    assert not stack.emulator.is_running()
    assert not stack.emulator.ended_unsaved()
    stack.emulator.kill()  # it only waits for its process, which has ended


def test_a_stack_that_cannot_save_still_runs(start: Start, tmp_path: Path) -> None:
    """Nothing is lost: after the reason is removed, it can be stopped."""
    stack, full = start("saves"), tmp_path / "home" / "full"
    stack.emulator.save()
    full.touch()
    with pytest.raises(Problem, match=r"(?s)No space left.*stored since 20.*is not saved.*still runs.*DISCARD=1"):
        stack.down()
    assert stack.emulator.is_running()
    full.unlink()
    assert stack.down()


@pytest.mark.parametrize("way", ["crashes", "hangs"])
def test_an_emulator_that_ends_without_saving_is_an_error(
    start: Start, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(emulator, "SECONDS_TO_SAVE", 1)
    stack = start(way)
    with pytest.raises(Problem, match=r"could not save.*since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d is lost"):
        stack.down()
    assert not stack.emulator.is_running()
    assert stack.emulator.ended_unsaved()


def test_data_can_be_discarded(start: Start, tmp_path: Path) -> None:
    stack = start("saves")
    (tmp_path / "home" / "full").touch()
    assert stack.down(discard=True)
    assert not stack.emulator.is_running()


def test_a_kill_is_noticed_at_the_next_start(start: Start, tmp_path: Path) -> None:
    """Also if the end before it was regular, and nothing was saved since."""
    assert start("saves").down()
    stack = start("saves")
    os.kill(json.loads((tmp_path / "home" / "emulator.json").read_text())["pid"], signal.SIGKILL)
    while stack.emulator.is_running():
        pass
    assert stack.emulator.ended_unsaved()
    stack.emulator.kill()  # what remains of it


def test_two_commands_do_not_start_and_stop_the_stack_at_once(tmp_path: Path) -> None:
    stack = Stack(free_port(), tmp_path)
    with alone_in(tmp_path):
        for command in (stack.up, stack.down):
            with pytest.raises(Problem, match="Another command is starting or stopping the local stack"):
                command()
    assert not stack.down()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    stack = Stack(free_port(), home)
    for command in (stack.up, stack.down):
        with pytest.raises(Problem, match=rf"can't use {home}.*: Not a directory"):
            command()
