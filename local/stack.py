"""Baton on an emulator on this machine."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from local.background import acquire
from local.deployment import ROOT, build_and_deploy
from local.emulator import PROGRAM, Emulator
from local.model import ModelServer
from local.network import status_of
from local.problem import Problem

HOME = ROOT / ".local"
DEFAULT_PORT = 4566
SECONDS_TO_RESPOND = 30


@dataclass(frozen=True)
class Addresses:
    http_url: str
    websocket_url: str
    api_key: str | None = None
    console_url: str | None = None


class Stack:
    """The developer's stack is stored in .local; a test's stack has its own folder and port.

    As a context manager, it is up inside the block; after the block it is down, and its processes have ended.
    """

    def __init__(
        self,
        port: int = DEFAULT_PORT,
        home: Path = HOME,
        report: Callable[[str], None] = lambda _: None,
        *,
        with_model: bool = False,
        emulator_program: str = PROGRAM,
    ) -> None:
        self.emulator = Emulator(home, port, emulator_program)
        self.model = ModelServer(home, port)
        self._with_model = with_model
        self._home = home
        self._addresses = home / "stack.json"
        self._report = report

    def up(self) -> Addresses:
        """Start the processes that do not run, and deploy. On an error, end the processes that this call started."""
        with alone_in(self._home):
            if self.emulator.is_running():
                self._require_same_port()
            started_model = self._with_model and self._start_model()
            try:
                return self._up()
            except BaseException:
                if started_model:
                    self.model.kill()
                raise

    def down(self, *, discard: bool = False) -> bool:
        """Stop all processes; returns whether there were any.

        :raises Problem: if the data can't be saved, or has not been saved. With ``discard``, it is not saved.
        """
        with alone_in(self._home):
            was_running = self.emulator.is_running() or self.model.is_running()
            if self.emulator.is_running() and not discard:
                self._require_saved()
            self.model.stop()
            self._addresses.unlink(missing_ok=True)
            if discard:
                self.emulator.kill()
            else:
                self.emulator.stop()
            return was_running

    def _require_saved(self) -> None:
        """Save while everything runs: if it fails, nothing is lost yet, and the reason can be removed."""
        try:
            self.emulator.save()
        except Problem as problem:
            raise Problem(
                f"{problem}\nThe stack still runs. Remove the reason and try again, or stop it and lose this data: "
                "`make down DISCARD=1`."
            ) from problem

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.down()

    @property
    def addresses(self) -> Addresses:
        return Addresses(**json.loads(self._addresses.read_text()))

    def _start_model(self) -> bool:
        self._report("Starting the model")
        return self.model.start()

    def _up(self) -> Addresses:
        if self.emulator.is_running():
            return self._deploy()
        self._report(f"Starting the emulator on port {self.emulator.port}")
        if self.emulator.ended_unsaved():
            self._report(f"It had not ended by `make down`: the data is that of {self.emulator.last_saved()}")
        self.emulator.start()
        try:
            return self._deploy()
        except BaseException:
            self.emulator.kill()
            raise

    def _require_same_port(self) -> None:
        running = self.emulator.running_port()
        if running != self.emulator.port:
            raise Problem(
                f"The stack of this clone already runs on port {running}: use that port, or run `make down` first."
            )

    def _deploy(self) -> Addresses:
        self._report("Building and deploying the template")
        outputs = build_and_deploy(self.emulator, self._home)
        addresses = Addresses(http_url=outputs["HttpUrl"], websocket_url=outputs["WebSocketUrl"])
        self._report("Waiting for the first response")
        wait_for_response(f"{addresses.http_url}/api/runs", self.emulator.log)
        self.emulator.save()
        self._addresses.write_text(json.dumps(asdict(addresses), indent=2))
        return addresses


@contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Refuse to run beside another command that starts or stops the stack of this folder."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / "command.lock").open("a") as lock:
            if not acquire(lock):
                raise Problem(
                    "Another command is starting or stopping the local stack: try again when it has finished."
                )
            yield
    except OSError as error:
        if error.filename is None or not Path(error.filename).is_relative_to(home):
            raise
        raise Problem(f"The local stack can't use {error.filename}: {error.strerror}.") from error


def wait_for_response(url: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_RESPOND
    while (status := status_of(url)) is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        if time.monotonic() > deadline:
            raise Problem(f"The stack is deployed, but {url} returned {status}; see the emulator's log: {log}")
        time.sleep(0.2)
