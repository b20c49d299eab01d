"""The ledger of a tenant's definitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.catalog.definitions import Ledger


def ledger_from_values(values: Mapping[str, Any]) -> Ledger:
    """The ledger that an item contains; without an item, nothing has been counted."""
    return Ledger(links=values.get("links", 0), deletions=values.get("deletions", 0))
