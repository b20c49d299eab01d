"""Settings from the environment, which the template sets; read when they are first needed."""

from __future__ import annotations

import os
from datetime import timedelta

TENANT = "default"
"""Who owns everything, until requests are authenticated."""


class MissingSettingError(Exception):
    """The template doesn't give this function what its code asks for."""


def setting(name: str) -> str:
    """:raises MissingSettingError: if the variable is not set, or empty."""
    value = os.environ.get(name)
    if not value:
        raise MissingSettingError(f"The environment variable {name} is not set for this function.")
    return value


def run_retention() -> timedelta:
    """How long a run and all of its records are kept."""
    return timedelta(days=int(setting("RUN_RETENTION_DAYS")))
