"""OpenAI's chat completions, and the servers that imitate them."""

from baton.adapters.llm.provider import Provider
from baton.adapters.llm.providers.openai import chat_completions

PROVIDER = Provider(
    complete=chat_completions.complete,
    unsupported_settings=chat_completions.unsupported_settings,
    check=chat_completions.check,
    needs_base_url=True,
    base_url_example="https://api.openai.com/v1",
)
