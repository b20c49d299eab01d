"""Texts of one line: names, titles, tags, folders."""

from __future__ import annotations

import unicodedata

LINE_BREAKS = frozenset("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
"""All characters at which ``str.splitlines`` splits."""

BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""With these, a name can be displayed in a different order than it is stored in.

Source: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
"""


def text_error(text: str) -> str | None:
    """What is wrong with the text, as a phrase that follows the field's name; ``None`` if it is valid.

    Zero-width joiners are allowed: some scripts and emoji need them.
    """
    for character in text:
        if what := _kind(character):
            return f"contains {what} (U+{ord(character):04X}), which is not allowed in a name; remove it"
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
