"""Settings from environment variables, which the template sets; read on first use."""

from __future__ import annotations

import os
from datetime import timedelta

from baton.domain.llm.hosts import HostPolicy


class MissingSettingError(Exception):
    """The template doesn't set a variable that the function's code reads."""


def setting(name: str) -> str:
    """:raises MissingSettingError: if the variable is not set or is empty."""
    value = os.environ.get(name)
    if not value:
        raise MissingSettingError(f"The environment variable {name} is not set for this function.")
    return value


def is_emulated() -> bool:
    """Whether AWS is replaced by an emulator."""
    return "AWS_ENDPOINT_URL" in os.environ


def run_retention() -> timedelta:
    """How long a run and all of its records are retained."""
    return timedelta(days=int(setting("RUN_RETENTION_DAYS")))


def host_policy() -> HostPolicy:
    """The hosts that LLM calls are allowed to reach."""
    named = (entry.strip().lower().removesuffix(".") for entry in setting("ALLOWED_LLM_HOSTS").split(","))
    return HostPolicy(
        allow_private=setting("ALLOW_PRIVATE_LLM_HOSTS") == "true",
        allow_loopback=setting("ALLOW_LOOPBACK_LLM_HOSTS") == "true",
        allowed=tuple(entry for entry in named if entry),
    )
