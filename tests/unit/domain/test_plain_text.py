"""The characters that a name can't contain."""

from __future__ import annotations

import pytest

from baton.domain.plain_text import BIDI_CONTROLS, LINE_BREAKS, text_error


@pytest.mark.parametrize(
    "character", sorted(LINE_BREAKS | BIDI_CONTROLS | {"\0", "\t", "\x1b", "\x7f", "\x9f", "\ud800"})
)
def test_invisible_and_bidirectional_characters_are_rejected_with_their_code_point(character: str) -> None:
    error = text_error(f"a{character}b")
    assert error is not None
    assert f"(U+{ord(character):04X})" in error
    assert character not in error


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "naïve",
        "नमस्ते",
        "क्\u200dष",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👩\u200d👩\u200d👧",
        "שלום",
        "a\u00a0b",
        "\U0001f600",
    ],
)
def test_names_in_all_scripts_and_emoji_are_accepted(text: str) -> None:
    assert text_error(text) is None
