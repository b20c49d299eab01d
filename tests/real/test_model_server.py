"""The model server leaves nothing behind, however the command that started it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.deployment import ROOT
from local.emulator import LOOPBACK, status_of
from local.real.server import ModelServer


def test_the_server_is_gone_when_its_user_fails(tmp_path: Path) -> None:
    server = ModelServer(tmp_path / "server.log")
    with pytest.raises(RuntimeError):
        fail_using(server)
    assert not is_open(server.llm.base_url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_with_its_command(number: signal.Signals) -> None:
    command = [sys.executable, "-u", "-m", "local.real.serve"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().split()[3]
        assert status_of(f"{base_url}/models") == 200
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert not is_open(base_url)


def fail_using(server: ModelServer) -> None:
    with server:
        assert status_of(f"{server.llm.base_url}/models") == 200
        raise RuntimeError


def is_open(base_url: str) -> bool:
    found = re.search(r":(\d+)/", base_url)
    assert found
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, int(found[1]))) == 0
