"""The import time of each function, which is a part of its cold start, with and without compiled files in the layers.

Each import runs in its own process, as in a cold start, and is compared with the import that every function needs:
boto3 with a DynamoDB client, which is compiled in both cases. The measurements alternate, so that other load on this
machine affects all of them.
"""

import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from py_compile import PycInvalidationMode

from rich.table import Table

from local.bench.session import Session
from local.deployment import ROOT

ROUNDS = 5
BASELINE = "boto3.client"
TIMED = "import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
BASELINE_STATEMENT = "import boto3; boto3.client('dynamodb', region_name='local')"
REQUIREMENTS = ROOT / "layers" / "dependencies" / "requirements.txt"

type Seconds = dict[tuple[str, bool], list[float]]
"""Of each round, by the name of the function and whether its files are compiled."""


def tables(session: Session) -> Iterator[Table]:
    session.report(f"Imports: {ROUNDS} of each function, with and without compiled files")
    with tempfile.TemporaryDirectory() as folder:
        source, compiled = Path(folder) / "source", Path(folder) / "compiled"
        copy_sources(source)
        shutil.copytree(source, compiled)
        compileall.compile_dir(compiled, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        yield import_table(measure({False: source, True: compiled}))


def copy_sources(folder: Path) -> None:
    """Functions and layers as they are deployed, without compiled files."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "functions", folder / "functions", ignore=ignored)
    shutil.copytree(ROOT / "layers" / "baton", folder / "python", ignore=ignored)
    for line in REQUIREMENTS.read_text().splitlines():
        name, pinned, _ = line.partition("==")
        for path in distribution(name).files or () if pinned else ():
            if path.suffix != ".pyc" and ".." not in path.parts:
                target = folder / "python" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path.locate(), target)


def measure(folders: dict[bool, Path]) -> Seconds:
    functions = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))
    seconds: Seconds = defaultdict(list)
    for _ in range(ROUNDS):
        seconds[BASELINE, True].append(timed(BASELINE_STATEMENT, []))
        for name in functions:
            for is_compiled, folder in folders.items():
                path = [folder / "functions" / name, folder / "python"]
                seconds[name, is_compiled].append(timed("import app", path))
    return seconds


def timed(statement: str, path: list[Path]) -> float:
    """The seconds that the statement takes in a new process, without any settings; it writes no compiled files."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-P", "-c", TIMED.format(statement=statement)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def import_table(seconds: Seconds) -> Table:
    medians = {which: statistics.median(each) for which, each in seconds.items()}
    baseline = medians.pop((BASELINE, True))
    result = Table(
        "import of",
        "from source, ms",
        "compiled, ms",
        "times as fast",
        f"compiled, as a share of {BASELINE}",
        title=f"Cold imports, median of {ROUNDS}",
    )
    result.add_row(BASELINE, "", f"{baseline * 1000:.0f}", "", f"{1:.2f}")
    for name in {name: None for name, _ in medians}:
        source, compiled = medians[name, False], medians[name, True]
        ratios = (f"{source / compiled:.2f}", f"{compiled / baseline:.2f}")
        result.add_row(name, f"{source * 1000:.0f}", f"{compiled * 1000:.0f}", *ratios)
    return result
