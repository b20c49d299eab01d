"""Parametrised tests of all providers that have cases for the provider contract."""

from __future__ import annotations

import pytest

from tests.support.providers.anthropic import ANTHROPIC
from tests.support.providers.bedrock import BEDROCK
from tests.support.providers.openai import OPENAI

PROVIDERS = [OPENAI, ANTHROPIC, BEDROCK]

every_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
with_event_streams = pytest.mark.parametrize(
    "provider", [provider for provider in PROVIDERS if provider.complete_stream], ids=lambda provider: provider.name
)


def each(*names: str, of: str) -> pytest.MarkDecorator:
    """Parametrise with the provider and each of its cases in the field ``of``."""
    cases = [
        pytest.param(provider, *(case if len(names) > 1 else (case,)), id=f"{provider.name}-{number}")
        for provider in PROVIDERS
        for number, case in enumerate(getattr(provider, of))
    ]
    return pytest.mark.parametrize(("provider", *names), cases)
