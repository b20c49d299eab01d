"""Ids are not given twice, even if the emulator ends without saving the counters that gave them.

Up to which value a counter has given ids is stored at once, in blocks: a counter that passes its block gets the next
one. After an end without a save, each counter continues after its block.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.saved_data import flush

BLOCK = 1000
COUNTERS = "#COUNTER"
"""The end of the partition keys of all counters."""

type Item = Mapping[str, Mapping[str, Any]]


class ReservedIds:
    """The end of each counter's block, in a file that exists only while the data on disk may be older."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ends: dict[str, dict[str, int]] = json.loads(file.read_text()) if file.exists() else {}

    def record(self, table: str, item: Item | None) -> None:
        """Reserve the next block if this item is a counter that has passed its block."""
        if item is None or not is_counter(item):
            return
        ends = self._ends.get(name_of(table, item), {})
        passed = {name: value for name, value in counts(item).items() if value > ends.get(name, 0)}
        if passed:
            ends = ends | {name: value + BLOCK for name, value in passed.items()}
            self._store({**self._ends, name_of(table, item): ends})

    def raised(self, table: str, item: Item) -> dict[str, Any]:
        """The item of a counter, at the end of its block if it has one."""
        ends = self._ends.get(name_of(table, item), {})
        return {**item, **{name: {"N": str(max(end, counts(item).get(name, 0)))} for name, end in ends.items()}}

    def keys(self, table: str) -> list[tuple[str, str]]:
        """The keys of the counters of this table that have a block."""
        names = [json.loads(name) for name in self._ends]
        return [(partition, sort) for of, partition, sort in names if of == table]

    def release(self) -> None:
        """The counters are saved as they are."""
        self._ends = {}
        self._file.unlink(missing_ok=True)

    def _store(self, ends: dict[str, dict[str, int]]) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(ends))
        flush(new)
        new.replace(self._file)
        flush(self._file.parent)
        self._ends = ends


def is_counter(item: Item) -> bool:
    return str(item.get("pk", {}).get("S", "")).endswith(COUNTERS)


def name_of(table: str, item: Item) -> str:
    return json.dumps([table, item["pk"]["S"], item["sk"]["S"]])


def counts(item: Item) -> dict[str, int]:
    return {name: int(value["N"]) for name, value in item.items() if "N" in value}
