"""Shared parts of this folder's commands: the port argument, the output and the exit status."""

import argparse
import signal
import sys
from collections.abc import Callable

from rich.console import Console

from local.network import HIGHEST_PORT, LOWEST_PORT
from local.problem import Problem


def run_command(command: Callable[[Console], None]) -> None:
    """Run the command, and exit with a non-zero status if it fails."""
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        command(console)
    except Problem as problem:
        console.print(str(problem), style="red", markup=False, soft_wrap=True)  # it may contain markup
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("Interrupted.")
        sys.exit(130)


def interrupt(_number: int, _frame: object) -> None:
    """SIGTERM is handled like Ctrl-C: processes that the command has started are ended."""
    raise KeyboardInterrupt


def port_argument() -> int:
    """The port from the command line.

    :raises Problem: if it is not a valid port.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    port: str = parser.parse_args().port
    if not port.isdecimal() or not LOWEST_PORT <= int(port) <= HIGHEST_PORT:
        raise Problem(f"PORT must be a number from {LOWEST_PORT} to {HIGHEST_PORT}, not {port!r}.")
    return int(port)
