"""Tokens before a model has counted them."""

from __future__ import annotations

import math

CHARACTERS_PER_TOKEN = 4
"""What English text has on the average; code and other scripts have fewer."""

EXPECTED_ANSWER_TOKENS = 500
"""What is reckoned for an answer that has no ``max_tokens``."""


def estimated_tokens(characters: int) -> int:
    """About how many tokens a text of this length has."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)
