"""One emulator of AWS, a process of its own that outlives the command that started it."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import IO

from local.problem import Problem

LOOPBACK = "127.0.0.1"
REGION = "local"  # a name of our own, so that no real region can be meant
SECONDS_TO_START = 60
SECONDS_TO_SAVE = 30

# What the emulator, and with it every function, takes over from the shell. The rest stays out: it could change what the
# emulator does, and functions have no business with the developer's secrets.
INHERITED = {
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
}


class Emulator:
    """All that it keeps lies in its home: state, log and its functions' temporary files.

    A lock on a file, which the process holds while it lives, tells whether it runs. A process id alone would name
    somebody else's process after a crash or a reboot.

    State is saved on a graceful stop, and only then: a killed emulator starts again from where it last started.
    """

    def __init__(self, home: Path, port: int) -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self.log = home / "emulator.log"
        self._home = home
        self._lock = home / "emulator.lock"
        self._record = home / "emulator.json"
        self._state = home / "state"
        self._objects = home / "s3"
        self._temporary = home / "tmp"
        self._process: subprocess.Popen[bytes] | None = None

    def is_running(self) -> bool:
        if not self._record.exists():
            return False
        with self._lock.open("a") as lock:
            return not acquire(lock)

    def running_port(self) -> int:
        return int(json.loads(self._record.read_text())["port"])

    def start(self) -> None:
        require_free(self.port)
        self._home.mkdir(parents=True, exist_ok=True)
        self._prepare_state()
        with self._lock.open("a") as lock, self.log.open("wb") as log:
            if not acquire(lock):
                raise Problem("Another command is starting the local stack at this moment: try again when it is done.")
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("emulator_process.py"))],
                cwd=self._home,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
            self._record.write_text(json.dumps({"pid": self._process.pid, "port": self.port}))
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Save and end. The functions end with it, so a run whose payload is being executed is recorded as failed."""
        if self.is_running():
            os.kill(self._pid(), signal.SIGTERM)
            deadline = time.monotonic() + SECONDS_TO_SAVE
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.1)
            self.kill()

    def kill(self) -> None:
        """End at once; what is on disk stays as it was when the emulator started."""
        if self._record.exists():
            with suppress(ProcessLookupError):
                os.killpg(self._pid(), signal.SIGKILL)  # its functions' processes are in its group
            self._record.unlink()
        if self._process is not None:
            self._process.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _pid(self) -> int:
        return int(json.loads(self._record.read_text())["pid"])

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name in INHERITED} | {
            "AUTH": "true",
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._objects),
            "TMPDIR": str(self._temporary),
            "NO_PROXY": f"localhost,{LOOPBACK}",
            "no_proxy": f"localhost,{LOOPBACK}",
            # Other listeners that it would open, and a Docker daemon whose containers it would tidy up
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        }

    def _prepare_state(self) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        saved = self._state / "lambda.json"
        if saved.exists():
            forget_stream_positions(saved)
        else:
            shutil.rmtree(self._objects, ignore_errors=True)  # of a start that never came to saving the rest

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while status_of(f"{self.url}/_ministack/ready") != HTTPStatus.OK:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Problem(f"The emulator did not start; its log says why: {self.log}")
            time.sleep(0.1)


def acquire(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def require_free(port: int) -> None:
    """Asks at localhost, which may be more than one address: whoever answers at any of them would get our requests."""
    with suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
        raise Problem(
            f"Port {port} is in use by another program: choose a free one, as in `make up PORT={port + 100}`."
        )


def forget_stream_positions(saved: Path) -> None:
    """The emulator saves how far each stream was read, but not the streams, which begin anew at position 0.

    With the old position it would skip as many new records as it had read before.
    """
    state = json.loads(saved.read_text())
    state["payload"].pop("dynamodb_stream_positions", None)
    saved.write_text(json.dumps(state))


def status_of(url: str) -> int | None:
    """The HTTP status that the URL answers with, asked without the proxy that the shell may name."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None
