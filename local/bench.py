"""make bench: the import time of each function, which is a part of its cold start, the memory needed to read the
largest runs, and the speed of live messages.

Each import runs in its own process, as in a cold start, and is compared with the import that every function needs:
boto3 with a DynamoDB client. The measurements alternate, so that other load on this machine affects all of them.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local import bench_live

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7
BASELINE = "boto3.client"
TIMED = "import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
BASELINE_STATEMENT = "import boto3; boto3.client('dynamodb', region_name='local')"

LARGEST = {
    "a run of 40 answers of 3 MB": "/api/runs/1",
    "their list, with prompts": "/api/runs/1/responses",
    "one of them": "/api/runs/1/responses/0",
    "200 answers of 100 KB, sent to a late subscriber": "subscribe",
}
"""Each read, with its argument for ``tests/support/large_run.py``."""


def main() -> None:
    functions = sorted(path.parent for path in (ROOT / "functions").glob("*/app.py"))
    seconds: dict[str, list[float]] = {BASELINE: [], **{function.name: [] for function in functions}}
    for _ in range(ROUNDS):
        seconds[BASELINE].append(timed(BASELINE_STATEMENT, ROOT))
        for function in functions:
            seconds[function.name].append(timed("import app", function))
    Console().print(table({name: statistics.median(times) for name, times in seconds.items()}))
    Console().print(memory_table({what: memory(argument) for what, argument in LARGEST.items()}))
    for measured in bench_live.tables():
        Console().print(measured)


def timed(statement: str, folder: Path) -> float:
    """The seconds that the statement takes in a folder, with the layer on the path and without any settings.

    Compiled files are stored in their own folder, so that only the first round compiles.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "layers" / "baton")]),
        "PYTHONPYCACHEPREFIX": str(ROOT / ".local" / "bench"),
    }
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(statement=statement)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def memory(argument: str) -> int:
    """The function's maximum memory, in KB."""
    command = [sys.executable, str(ROOT / "tests" / "support" / "large_run.py"), argument]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])["kilobytes"])


def memory_table(kilobytes: dict[str, int]) -> Table:
    result = Table("read", "MB", title="Memory of the function that reads it")
    for what, most in kilobytes.items():
        result.add_row(what, f"{most / 1000:.0f}")
    return result


def table(medians: dict[str, float]) -> Table:
    result = Table("import of", "ms", f"as a share of {BASELINE}", title=f"Cold imports, median of {ROUNDS}")
    for name, median in medians.items():
        result.add_row(name, f"{median * 1000:.0f}", f"{median / medians[BASELINE]:.2f}")
    return result


if __name__ == "__main__":
    main()
