"""Answers without a model, for demos and tests."""

from baton.adapters.llm.provider import Provider
from baton.adapters.llm.providers.simulated import simulation

PROVIDER = Provider(
    complete=simulation.complete,
    unsupported_settings=simulation.unsupported_settings,
    check=simulation.check,
    accepts_api_key_header=False,
)
