"""Estimates of token counts before a call."""

from __future__ import annotations

import math

CHARACTERS_PER_TOKEN = 4
"""The average of English text; code and other scripts have fewer."""

EXPECTED_ANSWER_TOKENS = 500
"""The estimate for an answer without ``max_tokens``."""


def estimated_tokens(characters: int) -> int:
    """The estimated number of tokens in a text of this length."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)
