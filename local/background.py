"""A process that outlives the command that started it, with its record on disk."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import IO

from local.network import status_of
from local.problem import Problem

# The shell's variables that the process inherits. The others could change what the process does, and the emulator's
# functions must not have the developer's secrets.
INHERITED = {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ"}


class BackgroundProcess:
    """A process that is running holds a lock on a file, which shows other commands that it is running.

    A process id alone is not enough: after a crash or a reboot it may belong to another program.
    """

    def __init__(self, home: Path, name: str) -> None:
        self.log = home / f"{name}.log"
        self._name = name
        self._home = home
        self._lock = home / f"{name}.lock"
        self._record = home / f"{name}.json"
        self._process: subprocess.Popen[bytes] | None = None

    def is_running(self) -> bool:
        if not self._record.exists():
            return False
        with self._lock.open("a") as lock:
            return not acquire(lock)

    def port(self) -> int:
        return int(json.loads(self._record.read_text())["port"])

    def start(self, script: str, port: int, environment: Mapping[str, str]) -> None:
        """Run a file of this folder, in its own session, so that Ctrl-C doesn't reach it."""
        with self._lock.open("a") as lock, self.log.open("wb") as log:
            if not acquire(lock):
                raise Problem("Another command is starting the local stack: try again when it has finished.")
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).parent / script)],
                cwd=self._home,
                env={**inherited(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
            self._record.write_text(json.dumps({"pid": self._process.pid, "port": port}))

    def wait_until_ready(self, url: str, seconds: float) -> None:
        """Wait until the URL returns 200; works for a process that another command has started, too."""
        deadline = time.monotonic() + seconds
        while status_of(url) != HTTPStatus.OK:
            if self._has_ended() or time.monotonic() > deadline:
                raise Problem(f"The {self._name.replace('-', ' ')} did not start; see its log: {self.log}")
            time.sleep(0.1)

    def stop(self, seconds: float) -> None:
        """Send SIGTERM, and kill the process if it still runs after ``seconds``."""
        if self.is_running():
            with suppress(ProcessLookupError):
                os.kill(self._pid(), signal.SIGTERM)
            deadline = time.monotonic() + seconds
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.1)
            self.kill()
        elif self._process is not None:
            self._process.wait()  # it has already ended

    def kill(self) -> None:
        """Kill the process and its process group."""
        if self._record.exists():
            with suppress(ProcessLookupError):
                os.killpg(self._pid(), signal.SIGKILL)
            self._record.unlink()
        if self._process is not None:
            self._process.wait()

    def _pid(self) -> int:
        return int(json.loads(self._record.read_text())["pid"])

    def _has_ended(self) -> bool:
        return not self.is_running() if self._process is None else self._process.poll() is not None


def inherited() -> dict[str, str]:
    """The environment variables that background processes inherit."""
    return {name: value for name, value in os.environ.items() if name in INHERITED}


def acquire(lock: IO[str]) -> bool:
    """Lock the file without waiting; ``False`` if another process holds the lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
