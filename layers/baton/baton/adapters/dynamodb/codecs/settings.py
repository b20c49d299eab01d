"""The settings of an LLM call inside a record: a map of JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.llm.settings import LlmSettings


def settings_to_map(settings: LlmSettings) -> dict[str, Any]:
    """The explicit settings, and under ``unset`` the names of those that are unset.

    ``null`` is not written: in older records it means that a setting is left open.
    """
    explicit = settings.to_dict().items()
    return {name: value for name, value in explicit if value is not None} | {"unset": list(settings.unset)}


def settings_from_map(stored: Mapping[str, Any]) -> LlmSettings:
    """The settings of any record: older ones have ``null`` for a setting that is left open, and may lack ``unset``."""
    given = {name: value for name, value in stored.items() if name != "unset" and value is not None}
    return LlmSettings.from_dict(given | dict.fromkeys(stored.get("unset", ())))
