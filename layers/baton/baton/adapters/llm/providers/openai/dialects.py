"""Differences between some vendors' hosts and the many servers that imitate OpenAI.

- OpenAI's newer models accept ``max_completion_tokens`` only, which other servers don't support, not ``max_tokens``.
- Azure expects its key in ``api-key``. Its list of models doesn't show the deployments that can be called, and a
  deployment's name for ``max_tokens`` depends on its model.
- Mistral rejects ``stream_options`` and always sends token counts in its streams.
- OpenRouter's list of models is public, so the list doesn't prove that the key is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from baton.adapters.llm.formats.request_parts import BEARER

MAX_TOKENS = "max_tokens"
MAX_COMPLETION_TOKENS = "max_completion_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """``models`` is whether the list of models needs the key, is public, or doesn't exist."""

    key_header: str = BEARER
    max_tokens_name: str = MAX_TOKENS
    requests_usage: bool = True
    models: Literal["private", "public", "none"] = "private"


AZURE = Dialect(key_header="api-key", models="none")
BY_HOST: Mapping[str, Dialect] = {
    "api.openai.com": Dialect(max_tokens_name=MAX_COMPLETION_TOKENS),
    "openai.azure.com": AZURE,
    "cognitiveservices.azure.com": AZURE,
    "services.ai.azure.com": AZURE,
    "api.mistral.ai": Dialect(requests_usage=False),
    "openrouter.ai": Dialect(models="public"),
}
"""For the host itself and its subdomains."""


def dialect_of(url: str) -> Dialect:
    """The dialect of a URL's host."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return next((found for name, found in BY_HOST.items() if f".{host}".endswith(f".{name}")), Dialect())
