"""Primary keys. Every partition begins with the tenant, so no request can reach another tenant's items."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypedDict

from baton.domain.ids import ID_DIGITS

PART, SNAPSHOTS, RESPONSES_FROM, RUN = "PART", "PAYLOAD#", "RESPONSE#", "RUN"
ATTEMPTS, VARIABLES = "RUN#ATTEMPT#", "VARIABLES"
"""Sort keys of a run's items, or their prefixes, in sort order. Reading a run needs all but the first two."""

ALL_RUNS = "*"


class Key(TypedDict):
    """A primary key in all three tables."""

    pk: str
    sk: str


def run_partition(tenant: str, run_id: int) -> str:
    """The partition of one run: all of its items."""
    return f"{tenant}#RUN#{run_id}"


def run(tenant: str, run_id: int) -> Key:
    """The run itself."""
    return {"pk": run_partition(tenant, run_id), "sk": RUN}


def variables(tenant: str, run_id: int) -> Key:
    """The variables that the run was started with."""
    return {"pk": run_partition(tenant, run_id), "sk": VARIABLES}


def attempt(tenant: str, run_id: int, number: int) -> Key:
    """One attempt that has ended and was followed by another one."""
    return {"pk": run_partition(tenant, run_id), "sk": f"{ATTEMPTS}{number:04d}"}


def snapshot(tenant: str, run_id: int, position: int, version: str | None = None) -> Key:
    """One compiled payload: that of the start, or a version that a resume has compiled."""
    suffix = "" if version is None else f"#{version}"
    return {"pk": run_partition(tenant, run_id), "sk": f"{SNAPSHOTS}{position:04d}{suffix}"}


def response(tenant: str, run_id: int, position: int) -> Key:
    """The response of the payload at this position."""
    return {"pk": run_partition(tenant, run_id), "sk": f"{RESPONSES_FROM}{position:04d}"}


def part(tenant: str, run_id: int) -> Key:
    """The newest part of the answer that is being streamed."""
    return {"pk": run_partition(tenant, run_id), "sk": PART}


def limits(tenant: str, instance_id: int) -> Key:
    """The state of an LLM instance's rate limits."""
    return {"pk": f"{tenant}#LLM_LIMITS#{instance_id}", "sk": "LIMITS"}


def slot_claim(tenant: str, instance_id: int, slot: int) -> Key:
    """The claim for a slot that was held during a wait; not in the partition of the limits, which has many writes."""
    return {"pk": f"{tenant}#LLM_LIMITS#{instance_id}#{slot}", "sk": "CLAIM"}


def counter(tenant: str, kind: str) -> Key:
    """The counter of ids: of definitions of one kind, or of runs and their responses (``RUN``)."""
    return {"pk": f"{tenant}#COUNTER", "sk": kind}


def definitions(tenant: str, kind: str) -> str:
    """All definitions of one kind."""
    return f"{tenant}#{kind}"


def definition(tenant: str, kind: str, definition_id: int) -> Key:
    """One definition; padded, so that ids sort as numbers."""
    return {"pk": definitions(tenant, kind), "sk": f"{definition_id:0{ID_DIGITS}d}"}


def target(kind: str, definition_id: int) -> str:
    """A reference to a definition, as an element of a string set."""
    return f"{kind}#{definition_id}"


def targets(refers_to: Collection[tuple[str, int]]) -> set[str] | None:
    """The set of the definitions that an item refers to, if there are any: a set can't be empty."""
    return {target(kind, definition_id) for kind, definition_id in refers_to} or None


def name(tenant: str, kind: str, name_: str) -> Key:
    """The item that reserves a name; its existence makes the name unique."""
    return {"pk": f"{tenant}#{kind}#NAME", "sk": name_}


def ledger(tenant: str) -> Key:
    """The counters that make references and deletions exclude each other."""
    return {"pk": f"{tenant}#LEDGER", "sk": "CATALOG"}


def run_texts(tenant: str, run_id: int) -> str:
    """The folder of a run's long texts; the bucket's lifecycle rule expires all objects below ``runs/``."""
    return f"runs/{tenant}/{run_id}"


def definition_texts(tenant: str, kind: str, definition_id: int, version: int) -> str:
    """The folder of the long texts of one version of a definition; no rule expires them."""
    return f"catalog/{tenant}/{kind}/{definition_id}/{version}"


def topic(tenant: str, run_id: int | None) -> str:
    """The subscriptions to this run, or to all runs."""
    return f"{tenant}#{ALL_RUNS if run_id is None else run_id}"


def subscription(tenant: str, connection_id: str, run_id: int | None) -> Key:
    """One client's subscription to a run, or to all runs."""
    return {"pk": topic(tenant, run_id), "sk": connection_id}


def connection(tenant: str, connection_id: str) -> Key:
    """One connection, with the runs that it is subscribed to."""
    return {"pk": f"{tenant}#CONNECTION#{connection_id}", "sk": "CONNECTION"}
