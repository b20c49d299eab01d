"""Ports that one store implements together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from baton.usecases.catalog.ports import CatalogStore, DefinitionSource
from baton.usecases.live.ports import Connections
from baton.usecases.runs.ports import RunHistories, RunStore, StepStore


@dataclass(frozen=True, kw_only=True)
class RunStores:
    """The three views of the same runs."""

    runs: RunStore
    steps: StepStore
    histories: RunHistories


class Catalog(CatalogStore, DefinitionSource, Protocol):
    """Both views of the same definitions."""


def subscribers(connections: Connections, tenant: str, run_id: int) -> frozenset[str]:
    """The connection ids of all clients that receive the run's messages."""
    return connections.followers(tenant, None) | connections.followers(tenant, run_id)
