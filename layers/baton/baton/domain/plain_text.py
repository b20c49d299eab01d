"""Texts of one line that people read in lists: names, titles, tags, folders."""

from __future__ import annotations

import unicodedata

LINE_BREAKS = frozenset("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
"""Whatever ``str.splitlines`` takes for the end of a line."""

BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""With these a name can be shown in another order than it is stored in.

Source: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
"""


def objection_to_text(text: str) -> str | None:
    """What can't be in such a text, to stand after the field's name; ``None`` if nothing is.

    Zero-width joiners are part of how some scripts and emoji are written, so they may.
    """
    for character in text:
        if what := _kind(character):
            return f"holds {what} (U+{ord(character):04X}), which can't be in a name; leave it out"
    return None


def _kind(character: str) -> str | None:
    if character in LINE_BREAKS:
        return "a line break"
    if character in BIDI_CONTROLS:
        return "a control of the direction of text"
    match unicodedata.category(character):
        case "Cc":
            return "a control character"
        case "Cs":
            return "half of a surrogate pair"
        case _:
            return None
