"""The command: makes the measurements that its arguments name, or all, and prints their tables."""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from local import terminal
from local.bench import bursts, cost, fan_out, imports, lag, memory, overhead
from local.bench.session import Session
from local.problem import Problem

MEASUREMENTS: dict[str, Callable[[Session], Iterator[Table]]] = {
    "imports": imports.tables,
    "memory": memory.tables,
    "overhead": overhead.tables,
    "lag": lag.tables,
    "fan-out": fan_out.tables,
    "silent-client": fan_out.silent_client_tables,
    "bursts": bursts.warm_tables,
    "fresh-stack": bursts.fresh_tables,
    "cost": cost.tables,
}

DESCRIPTION = """\
Measure Baton on this machine, which takes minutes. The measurements, all by default:

  imports        import time of each function, with and without compiled files
  memory         memory of the functions for the largest texts
  overhead       ms a payload beside the floor of the stack, for runs of 5, 20 and 100 payloads
  lag            from the end of an LLM's answer to the message at a subscriber
  fan-out        a message to 200 and 1,000 clients, from the first to the last
  silent-client  how much a client that never reads delays the others
  bursts         1, 20 and 50 runs at once
  fresh-stack    20 runs at once on a stack that has just been started
  cost           calls, units, posts, peak memory and list price of 1,000 runs of 1, 5, 20 and 100 payloads
"""


def bench(console: Console) -> None:
    names = chosen_names()
    progress = Console(stderr=True, highlight=False)

    def report(step: str) -> None:
        progress.print(f"{time.strftime('%H:%M:%S')} {step}", style="dim", markup=False, soft_wrap=True)

    with ExitStack() as resources:
        session = Session(report, resources)
        failed = [name for name in names if not print_measurement(console, MEASUREMENTS[name](session))]
    if failed:
        raise Problem(f"Not measured: {', '.join(failed)}. The errors are above.")


def chosen_names(arguments: Sequence[str] | None = None) -> list[str]:
    """The measurements to make, in their order.

    :raises Problem: if a name is unknown.
    """
    parser = argparse.ArgumentParser(
        "python -m local.bench", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    chosen = parser.parse_args(arguments).names
    if unknown := [name for name in chosen if name not in MEASUREMENTS]:
        raise Problem(f"There is no measurement {unknown[0]!r}: choose among {', '.join(MEASUREMENTS)}.")
    return [name for name in MEASUREMENTS if name in chosen or not chosen]


def print_measurement(console: Console, tables: Iterator[Table]) -> bool:
    """Print each table with the load of the machine before and after it was measured; returns whether all were."""
    before = os.getloadavg()[0]
    try:
        for table in tables:
            after = os.getloadavg()[0]
            console.print(table)
            console.print(f"Load: {before:.1f} before, {after:.1f} after, on {os.cpu_count()} processors\n")
            before = after
    except (Problem, OSError) as error:  # also all errors of requests
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return False
    return True


if __name__ == "__main__":
    terminal.run_command(bench)
