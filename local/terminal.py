"""What the commands of this folder share: a port, an ending, and a way to speak."""

import argparse
import signal
import sys
from collections.abc import Callable

from rich.console import Console

from local.network import HIGHEST_PORT, LOWEST_PORT
from local.problem import Problem


def end(command: Callable[[Console], None]) -> None:
    """Run the command and leave the process with what its ending means to a shell."""
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        command(console)
    except Problem as problem:
        console.print(str(problem), style="red", markup=False, soft_wrap=True)  # it may quote anything
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("Interrupted.")
        sys.exit(130)


def interrupt(_number: int, _frame: object) -> None:
    """A request to end, from whomever, is treated as Ctrl-C is: what was begun is taken back."""
    raise KeyboardInterrupt


def port_argument() -> int:
    """The port that the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    given = parser.parse_args().port
    if not given.isdecimal() or not LOWEST_PORT <= int(given) <= HIGHEST_PORT:
        raise Problem(f"PORT is a number from {LOWEST_PORT} to {HIGHEST_PORT}, not {given!r}.")
    return int(given)
