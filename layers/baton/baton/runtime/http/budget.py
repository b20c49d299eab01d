"""How much text one answer can carry."""

from __future__ import annotations

from collections.abc import Iterable

MAX_ANSWER_BYTES = 3_000_000
"""What the texts of one answer may have together. A Lambda function answers with at most 6 MB, and a text may grow by
half when it is written as JSON twice."""


def fit(texts: Iterable[str], budget: int = MAX_ANSWER_BYTES) -> list[tuple[str, bool]]:
    """Each text, or as much of it as the ones before leave room for; and whether it was cut."""
    fitting = []
    for text in texts:
        whole = text.encode()
        kept = whole[: max(0, budget)]
        budget -= len(kept)
        fitting.append((kept.decode(errors="ignore"), len(kept) < len(whole)))
    return fitting
