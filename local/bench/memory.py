"""The peak memory of functions for the largest texts, each in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator

from rich.table import Table

from local.bench.session import Session
from local.deployment import ROOT

LARGEST_READS = {
    "a run of 40 answers of 3 MB": "/api/runs/1",
    "their list, with prompts": "/api/runs/1/responses",
    "one of them": "/api/runs/1/responses/0",
    "200 answers of 100 KB, sent to a late subscriber": "subscribe",
}
"""Each read, with its argument for ``tests/support/large_run.py``."""

LARGEST_PAYLOADS = (
    "texts of 5 KB",
    "texts of 1 MB",
    "openai, emoji, whole",
    "openai, emoji, streamed",
    "anthropic, emoji, streamed",
    "bedrock, emoji, streamed",
)
"""Cases of ``tests/support/large_payload_cases.py``: without a size, prompt and answer are as large as allowed."""


def tables(session: Session) -> Iterator[Table]:
    session.report("Memory: the largest reads")
    yield reads_table()
    session.report("Memory: the largest payloads")
    yield payloads_table()


def reads_table() -> Table:
    result = Table("read", "MB", title="Peak memory of the function that reads it")
    for read, argument in LARGEST_READS.items():
        result.add_row(read, f"{kilobytes('large_run.py', argument) / 1000:.0f}")
    return result


def payloads_table() -> Table:
    result = Table("prompt and answer", "MB", title="Peak memory of the function that executes a payload")
    for case in LARGEST_PAYLOADS:
        result.add_row(case, f"{kilobytes('large_payload.py', case) / 1000:.0f}")
    return result


def kilobytes(program: str, argument: str) -> int:
    """What a program of ``tests/support`` measures."""
    command = [sys.executable, str(ROOT / "tests" / "support" / program), argument]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])["kilobytes"])
