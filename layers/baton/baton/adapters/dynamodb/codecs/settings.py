"""The settings of an LLM call inside a record: a map of JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baton.domain.llm.settings import SETTING_NAMES, LlmSettings


def settings_to_map(settings: LlmSettings) -> dict[str, Any]:
    """Every setting. Omitted and unset ones are ``None``; ``unset`` has the names of the unset ones.

    The same settings always give the same text: the key of a large record is made from it.
    """
    given = {name: value for name, value in settings.to_dict().items() if value is not None}
    return {**dict.fromkeys(SETTING_NAMES), "options": {}, **given, "unset": list(settings.unset)}


def settings_from_map(stored: Mapping[str, Any]) -> LlmSettings:
    """The settings of any record; older ones may lack ``unset``, and settings that were added since."""
    given = {name: value for name, value in stored.items() if name != "unset" and value is not None}
    return LlmSettings.from_dict(given | dict.fromkeys(stored.get("unset", ())))
