"""What some vendors' own hosts want otherwise than the many servers that imitate OpenAI.

- OpenAI's newer models refuse ``max_tokens`` for ``max_completion_tokens``, which other servers don't know.
- Azure takes its key in ``api-key``. Its list of models is not that of the deployments that can be called, and by which
  name a deployment takes its bound depends on its model.
- Mistral refuses ``stream_options`` and counts tokens in its streams unasked.
- OpenRouter shows its list of models to anybody, so the list says nothing about the key.
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
    """``models`` is what the list of models is: for those who have the key, for anybody, or none."""

    key_header: str = BEARER
    bound: str = MAX_TOKENS
    requests_usage: bool = True
    models: Literal["private", "public", "none"] = "private"


AZURE = Dialect(key_header="api-key", models="none")
BY_HOST: Mapping[str, Dialect] = {
    "api.openai.com": Dialect(bound=MAX_COMPLETION_TOKENS),
    "openai.azure.com": AZURE,
    "cognitiveservices.azure.com": AZURE,
    "services.ai.azure.com": AZURE,
    "api.mistral.ai": Dialect(requests_usage=False),
    "openrouter.ai": Dialect(models="public"),
}
"""For the host itself and those below it."""


def dialect_of(url: str) -> Dialect:
    """Of a URL that can be called."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return next((found for name, found in BY_HOST.items() if f".{host}".endswith(f".{name}")), Dialect())
