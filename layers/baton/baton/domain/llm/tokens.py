"""Token counts: of answers, and estimates before a call."""

from __future__ import annotations

import math
from dataclasses import dataclass

CHARACTERS_PER_TOKEN = 4
"""The average of English text; code and other scripts have fewer."""

EXPECTED_ANSWER_TOKENS = 500
"""The estimate for an answer without ``max_tokens``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """The tokens of one or several calls."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


def estimated_tokens(characters: int) -> int:
    """The estimated number of tokens in a text of this length."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)
