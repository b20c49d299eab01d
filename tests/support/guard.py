"""All processes of a local stack are killed after its tests, even if the tests are interrupted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.template import ROOT

KILL = """
import pathlib, sys
sys.stdin.read()
from local.stack import Stack
stack = Stack(int(sys.argv[1]), pathlib.Path(sys.argv[2]))
stack.emulator.kill()
stack.model.kill()
"""


@contextmanager
def guarded(port: int, home: Path) -> Iterator[None]:
    """At the end of the block, or of this process, kill the remaining processes of the stack in this folder.

    pytest-xdist kills its processes 10 s after an interrupt, which may be too early for their fixtures' teardown.
    """
    command = [sys.executable, "-c", KILL, str(port), str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True):
        yield
