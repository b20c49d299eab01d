"""Saves the data of all services while the emulator runs.

A fork of the process writes it: the fork has the data of one moment, and the emulator continues to respond meanwhile.
"""

import asyncio
import copy
import gc
import json
import os
import select
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ministack.app
from ministack.core import persistence
from ministack.services import cloudformation, lambda_svc

from local.saved_data import BLOBS, Save, SavedData, now

SECONDS_BETWEEN = 60
SECONDS_TO_WRITE = 90
DEPLOYED = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "DELETE_COMPLETE"}
"""States of a stack that can be deployed again. In any other state, the next ``make up`` could not continue."""


class NotSavedError(Exception):
    """Why the data could not be saved."""


class Saver:
    """``changes`` counts the requests since the last save; without any, there is nothing new to save."""

    def __init__(self, data: SavedData) -> None:
        self._data = data
        self._one_at_a_time = asyncio.Lock()
        self.changes = 0

    async def save_regularly(self) -> None:
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        while True:
            await asyncio.sleep(SECONDS_BETWEEN)
            if self.changes and is_deployed():
                try:
                    await self.save()
                except NotSavedError as error:
                    print(f"The data could not be saved: {error}", flush=True)  # noqa: T201 - to the emulator's log

    async def save(self) -> Save:
        """Save while the emulator responds.

        :raises NotSavedError: with the reason; the last save is unchanged.
        """
        async with self._one_at_a_time:
            return await self._save(asyncio.to_thread, is_last=False)

    async def save_last(self) -> Save:
        """Save, and respond to no request any more: what is written from now on is not saved.

        :raises NotSavedError: with the reason; the last save is unchanged.
        """
        async with self._one_at_a_time:
            return await self._save(at_once, is_last=True)

    async def _save(self, run: Callable[..., Any], *, is_last: bool) -> Save:
        changes = self.changes
        try:
            await run(self._data.begin)
            save = Save(now(), is_last)
            await run(wait_for, *fork(self._data, save))
        except (OSError, NotSavedError) as error:
            await run(self._data.abandon)
            raise NotSavedError(reason_of(error)) from error
        self.changes -= changes
        return save


async def at_once(act: Callable[..., Any], *arguments: Any) -> Any:
    """Instead of ``asyncio.to_thread``, while nothing else may run."""
    return act(*arguments)


def is_deployed() -> bool:
    states = [stack.get("StackStatus") for stack in cloudformation._stacks.all_values()]  # noqa: SLF001
    return bool(states) and DEPLOYED.issuperset(states)


def fork(data: SavedData, save: Save) -> tuple[int, int]:
    """Start the process that writes; returns its id, and a pipe with the reason if it fails.

    The event loop's thread calls this between two requests, so no request of DynamoDB is half done. The other threads
    do not exist in the fork. It does not log: a thread may have held a lock.
    """
    reason, to_reason = os.pipe()
    parent = os.getpid()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            leave_parent(to_reason)
            write(data)
            if os.getppid() == parent:  # otherwise, another emulator may already use the folder
                data.complete(save)
                status = 0
        except BaseException as error:  # noqa: BLE001 - it is sent to the parent
            os.write(to_reason, reason_of(error).encode())
        finally:
            os._exit(status)
    os.close(to_reason)
    return process, reason


def reason_of(error: BaseException) -> str:
    """Such as ``No space left on device``, with the file where it is known."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or type(error).__name__
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


def leave_parent(to_reason: int) -> None:
    """Close the parent's connections, which would else stay open, and do nothing at its signals."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.disable()  # it would copy the memory that both share
    os.closerange(3, to_reason)
    os.closerange(to_reason + 1, os.sysconf("SC_OPEN_MAX"))


def write(data: SavedData) -> None:
    """Write the data of all services, in MiniStack's format, so that it loads it at the next start."""
    lambda_svc.CODE_BLOB_DIR = str(data.next / BLOBS)
    copy.deepcopy = lambda value: value  # type: ignore[assignment,misc] # nothing changes in this process
    for service, state_of in ministack.app._build_persistence_save_dict().items():  # noqa: SLF001
        state = state_of()
        if state is not None:
            wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}  # noqa: SLF001
            text = json.dumps(wrapped, default=persistence._json_default)  # noqa: SLF001
            Path(data.next, f"{service}.json").write_text(text)


def wait_for(process: int, reason: int) -> None:
    """Wait until the process has ended.

    :raises NotSavedError: if it failed, or did not end in time.
    """
    deadline = time.monotonic() + SECONDS_TO_WRITE
    text = b""
    try:
        while select.select([reason], [], [], max(0, deadline - time.monotonic()))[0]:
            part = os.read(reason, 4096)
            if not part:
                break
            text += part
        else:
            text = f"it takes longer than {SECONDS_TO_WRITE} s".encode()
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    finally:
        os.close(reason)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status != 0:
        raise NotSavedError(text.decode() or f"the process that writes it ended with status {status}")
