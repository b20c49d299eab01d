"""The model server, a child of the command that needs it: it is there inside a `with` block, and gone after it."""

import os
import socket
import subprocess
import time
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from local.emulator import LOOPBACK, status_of
from local.example import LlmChoice
from local.problem import Problem
from local.real.build import HOME, SERVER, WEIGHTS, is_built

MODEL = "SmolLM2-135M-Instruct"
CONTEXT_TOKENS = 2048
SECONDS_TO_LOAD = 60
SECONDS_TO_END = 10


class ModelServer:
    """OpenAI's API on a free port of this machine, served by llama.cpp.

    It stays in the process group of the terminal, so that it also ends when that is closed.
    """

    def __init__(self, log: Path = HOME / "server.log") -> None:
        port = free_port()
        self.llm = LlmChoice(f"http://{LOOPBACK}:{port}/v1", MODEL)
        self.log = log
        self._command = [str(SERVER), "--port", str(port), *options()]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if not is_built():
            raise Problem("The model server isn't built yet: `make run-real`, for one, builds it.")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_loaded(self._process)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Asked first, then forced."""
        if self._process is not None:
            self._process.terminate()
            try:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(SECONDS_TO_END)
            finally:
                self._process.kill()
                self._process.wait()

    def wait(self) -> None:
        """Until it ends, which it doesn't by itself."""
        if self._process is not None:
            self._process.wait()

    def _wait_until_loaded(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + SECONDS_TO_LOAD
        while status_of(f"{self.llm.base_url}/models") != HTTPStatus.OK:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Problem(f"The model server did not start; its log says why: {self.log}")
            time.sleep(0.1)


def options() -> list[str]:
    """Half of the cores: the stack needs some too, and a thread that is held up holds up all others."""
    threads = max(1, (os.process_cpu_count() or 1) // 2)
    return [
        *("--host", LOOPBACK),
        *("--model", str(WEIGHTS)),
        *("--alias", MODEL),
        *("--ctx-size", str(CONTEXT_TOKENS)),
        *("--parallel", "1"),
        *("--threads", str(threads)),
        *("--cors-origins", "localhost"),
        "--offline",
        "--no-ui",
    ]


def environment() -> dict[str, str]:
    """Without the developer's own settings for llama.cpp."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LLAMA_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
