"""Anthropic's Messages API."""

from baton.adapters.llm.provider import Provider
from baton.adapters.llm.providers.anthropic import messages

PROVIDER = Provider(
    complete=messages.complete,
    unsupported_settings=messages.unsupported_settings,
    check=messages.check,
    base_url=messages.BASE_URL,
)
