"""Settings from the environment, which the template sets; read when they are first needed."""

from __future__ import annotations

import os
from datetime import timedelta

from baton.domain.llm.hosts import HostPolicy


class MissingSettingError(Exception):
    """The template doesn't give this function what its code asks for."""


def setting(name: str) -> str:
    """:raises MissingSettingError: if the variable is not set, or empty."""
    value = os.environ.get(name)
    if not value:
        raise MissingSettingError(f"The environment variable {name} is not set for this function.")
    return value


def is_emulated() -> bool:
    """Whether AWS is a stand-in at an address of its own."""
    return "AWS_ENDPOINT_URL" in os.environ


def run_retention() -> timedelta:
    """How long a run and all of its records are kept."""
    return timedelta(days=int(setting("RUN_RETENTION_DAYS")))


def host_policy() -> HostPolicy:
    """Where LLM calls may go."""
    named = (entry.strip().lower().removesuffix(".") for entry in setting("ALLOWED_LLM_HOSTS").split(","))
    return HostPolicy(
        allow_private=setting("ALLOW_PRIVATE_LLM_HOSTS") == "true",
        allow_loopback=setting("ALLOW_LOOPBACK_LLM_HOSTS") == "true",
        allowed=tuple(entry for entry in named if entry),
    )
